"""Imports neonize, and provides the modules that the import needs."""
