"""Receives updates and converts them to events."""
