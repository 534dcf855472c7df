"""Periodic tasks of an engine: probes, memory, retention, schedules, fetching files."""
