"""The store of one instance: everything in one SQLite file, or in memory."""
