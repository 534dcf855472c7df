"""OpenAPI and AsyncAPI, made from the table of calls."""
