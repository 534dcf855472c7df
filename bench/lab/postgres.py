"""A private PostgreSQL server for a benchmark: the one that the tests use."""

from __future__ import annotations

import importlib.util
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

DURABLE = ("-c", "fsync=on", "-c", "full_page_writes=on")
"""Options of a server as it comes; the tests' own skips the disk."""

_FILE = Path(__file__).parents[2] / "tests" / "store" / "postgres_server.py"


def private_server(*options: str) -> AbstractContextManager[Any]:
    """Running in the block. Loaded by its path, because a script here may be called `store`."""
    spec = importlib.util.spec_from_file_location("postgres_server", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server: AbstractContextManager[Any] = module.private_server(*options)
    return server
