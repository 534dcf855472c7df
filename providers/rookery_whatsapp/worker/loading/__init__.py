"""The import of neonize, and what it needs."""
