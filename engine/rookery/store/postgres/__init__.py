"""The store that several instances share: everything in PostgreSQL."""
