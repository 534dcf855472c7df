"""Turns messages into calls, at the pace that the platform allows."""
