"""A store that outlives engines, and calls of the Bot API by another holder of the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from rookery.store.open import MemoryStore
from support.fake_platform import TroubledStore
from support.telegram_engine import DEADLINE, TOKEN, Setup


@asynccontextmanager
async def kept_store() -> AsyncIterator[TroubledStore]:
    inner = MemoryStore()
    async with inner.open():
        yield TroubledStore(inner)


async def call(setup: Setup, method: str, **parameters: Any) -> dict[str, Any]:
    """Call a method as another program with the same token would."""
    async with httpx.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        response = await client.post(f"{setup.simulator.url}/bot{TOKEN}/{method}", json=parameters)
    answer: dict[str, Any] = response.json()
    return answer
