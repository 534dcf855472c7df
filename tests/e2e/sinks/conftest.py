"""The brokers' libraries leave sockets of broken connections to the garbage collector: it runs where that is expected."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()
