"""What the engine may ask of a client."""
