"""The calls that the engine may make to a client."""
