"""One request on one connection to an HTTP server."""
