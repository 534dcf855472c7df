"""The SQLite file: connections, the group writer, readers, checkpoints, the lock of its directory."""
