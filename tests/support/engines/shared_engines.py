"""Several engines on one PostgreSQL inside one test, each with a fake platform of its own, and quick settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec

from rookery import Engine, EngineSettings, open_engine
from store.backends import KEY, PostgresBackend
from support.fake_platform import FakePlatform

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
