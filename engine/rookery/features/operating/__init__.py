"""Features for operators, of one engine and of several."""
