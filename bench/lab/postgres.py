"""A private PostgreSQL server for a benchmark: the one that the tests use."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from store.postgres_server import PostgresServer, private_server

__all__ = ["DURABLE", "PostgresServer", "private_server"]

DURABLE = ("-c", "fsync=on", "-c", "full_page_writes=on")
"""Options of a server as it comes; the tests' own skips the disk."""
