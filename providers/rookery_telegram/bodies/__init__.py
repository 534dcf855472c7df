"""Schemas of event bodies, for the API's description and for tests."""
