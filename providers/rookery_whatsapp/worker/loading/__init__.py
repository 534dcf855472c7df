"""Imports neonize, and provides what the import needs."""
