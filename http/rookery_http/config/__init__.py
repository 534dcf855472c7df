"""The settings of the server: declared, read from the environment, checked and listed."""
