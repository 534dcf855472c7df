"""Each database has a name of its own, so that receivers can tell the events of installations apart."""

from __future__ import annotations

import re

from rookery.store.open import MemoryStore
from store.backends import Backend


async def test_a_database_keeps_its_name(durable: Backend) -> None:
    names = []
    for _ in range(2):
        store = durable.make()
        async with store.open():
            names.append(store.installation)
    assert re.fullmatch("[0-9a-f]{32}", names[0])
    assert names[0] == names[1]


async def test_two_databases_have_two_names(durable: Backend) -> None:
    store, other = durable.make(), MemoryStore()
    async with store.open(), other.open():
        assert store.installation != other.installation
