"""An instance whose database connection went silent, or that receives no notification, takes sessions over in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from rookery import Engine
from rookery.store.postgres.database.listening import Listener
from store.backends import PostgresBackend
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakePlatform
from support.stalling_proxy import StallingProxy, open_stalling_proxy
from support.waiting import until, until_found

RARELY: dict[str, Any] = {
    "cluster_poll_interval": 600.0,
    "lease_ttl": 600.0,
    "claim_patience": 600.0,
    "recovery_interval": 600.0,
}
"""Longer than a test: only a notification can bring the change in time, neither polling nor the end of a lease."""

HANDOFF = 2.0
"""Seconds within which a session that was handed over is connected elsewhere."""

NOTICED = 6.0
"""Seconds within which a silent connection is noticed and replaced."""


@asynccontextmanager
async def two_engines(postgres: PostgresBackend) -> AsyncIterator[tuple[Engine, Engine, StallingProxy]]:
    """`one` runs the session `a`; `two` reaches the database through the proxy."""
    address = urlsplit(postgres.url)
    assert address.port is not None
    async with open_stalling_proxy("127.0.0.1", address.port) as proxy:
        behind = PostgresBackend(postgres.url.replace(f":{address.port}/", f":{proxy.port}/"), postgres.schema)
        async with open_shared(postgres, FakePlatform(), "one", **RARELY) as one:
            await one.create_session(id="a", platform="fake")
            await until(lambda: running(one) == {"a"})
            async with open_shared(behind, FakePlatform(), "two", **RARELY) as two:
                await until_found(one.instances, lambda instances: len(instances) == 2, seconds=10)
                await trio.sleep(1.0)  # both have done what they do at the start, so that no look at the store fails
                yield one, two, proxy


async def taken_over(one: Engine, two: Engine) -> float:
    """Seconds from the beginning of the handover until `two` is connected."""
    began = trio.current_time()
    await one.drain()
    await until(lambda: running(two) == {"a"}, seconds=30)
    return trio.current_time() - began


async def lose(proxy: StallingProxy) -> None:
    """Every open connection is dead from now on, and nothing says so."""
    proxy.lose()
    await trio.sleep(NOTICED)


async def stall(proxy: StallingProxy) -> None:
    """Longer than connecting may take."""
    proxy.set(requests=False, answers=False)
    await trio.sleep(7.5)
    proxy.set()
    await trio.sleep(1.5)


@pytest.mark.slow
@pytest.mark.parametrize("trouble", [lose, stall])
async def test_an_instance_hears_again_soon_after_its_way_to_the_database_failed(
    postgres: PostgresBackend, trouble: Callable[[StallingProxy], Awaitable[None]]
) -> None:
    async with two_engines(postgres) as (one, two, proxy):
        await trouble(proxy)
        assert await taken_over(one, two) < HANDOFF


async def test_an_instance_that_hears_nothing_polls_often(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PgBouncer in transaction mode delivers no notification at all."""
    monkeypatch.setattr(Listener, "_hear", lambda *_: None)
    async with two_engines(postgres) as (one, two, _):
        assert await taken_over(one, two) < HANDOFF
        began = trio.current_time()
        await one.send("a", to="7", text="hi")  # `two` does it
        assert trio.current_time() - began < 2 * HANDOFF
