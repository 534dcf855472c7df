"""From the bytes of a request to checked values: bodies, parameters, uploads."""
