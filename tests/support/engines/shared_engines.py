"""Several engines on one PostgreSQL inside one test, each with a fake platform of its own, and quick settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from rookery import Engine, EngineSettings, open_engine
from rookery.model.session import Reason, Transition
from rookery.store.contract import Store
from store.backends import KEY, PostgresBackend
from support.fake_platform import FakePlatform
from support.waiting import until, until_found

QUICK = EngineSettings(
    backoff_network=0.05,
    backoff_jitter=0.0,
    lease_ttl=5.0,
    lease_renew_interval=0.7,
    lease_margin=1.5,
    cluster_poll_interval=0.3,
    claim_patience=0.4,
    rebalance_interval=0.2,
    rebalance_batch=3,
    call_timeout=5.0,
    store_timeout=3.0,
)


def open_shared(
    postgres: PostgresBackend,
    platform: FakePlatform,
    name: str,
    *,
    media: Path | None = None,
    clock: Callable[[], float] = time.time,
    key: str = KEY,
    **changes: Any,
) -> AbstractAsyncContextManager[Engine]:
    """An engine called `name`; `changes` are settings."""
    return open_engine(
        providers=[platform],
        store=postgres.make(key),
        settings=msgspec.structs.replace(QUICK, **changes),
        instance=name,
        media=media,
        clock=clock,
    )


def running(engine: Engine) -> set[str]:
    """The sessions that this engine runs, connected."""
    return {id for id, runner in engine.running_here().items() if runner.link is not None and not runner.stopping}


async def beats(engine: Engine, count: int = 4) -> None:
    """Return after so many beats of the engine. Between two of them it decides at least once what it gives away and
    what it takes."""
    for _ in range(count):
        await next_beat(engine)


async def next_beat(engine: Engine) -> None:
    census = engine.census
    await until(lambda: engine.census is not census)


def count_calls(monkeypatch: pytest.MonkeyPatch, store: Store, method: str) -> list[float]:
    """The times at which a call of this method of the store returned; the list grows."""
    times: list[float] = []
    inner = getattr(store, method)

    async def call(*arguments: Any, **options: Any) -> Any:
        result = await inner(*arguments, **options)
        times.append(trio.current_time())
        return result

    monkeypatch.setattr(store, method, call)
    return times


async def with_reason(engine: Engine, id: str, reason: Reason) -> Transition:
    """The newest change of status with this reason, once it is stored."""
    rows = await until_found(
        partial(engine.history, id), lambda rows: any(change.reason is reason for change in rows), seconds=30
    )
    return next(change for change in rows if change.reason is reason)
