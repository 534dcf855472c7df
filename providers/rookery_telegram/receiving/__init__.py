"""Updates to events."""
