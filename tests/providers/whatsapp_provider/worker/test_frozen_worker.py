"""An engine that stops while its workers are frozen."""

from __future__ import annotations

import os
import signal

import msgspec
import psutil
import trio

from rookery import SessionStatus
from rookery_whatsapp import WhatsApp
from support.whatsapp_engine import QUICK, reach

from ..conftest import Opener

GRACE = 3.0


async def test_a_frozen_worker_does_not_outlast_the_grace(mocked: Opener) -> None:
    async with mocked(
        workers={"silence": 60.0, "watch": 60.0}, settings=msgspec.structs.replace(QUICK, shutdown_grace=GRACE)
    ) as engine:
        await engine.create_session(id="one", platform="whatsapp")
        await reach(engine, "one", SessionStatus.CONNECTED)
        provider = engine.providers["whatsapp"]
        assert isinstance(provider, WhatsApp)
        [worker] = provider.workers()
        os.kill(worker.pid, signal.SIGSTOP)
        began = trio.current_time()
    assert trio.current_time() - began < GRACE + 0.3
    assert not psutil.pid_exists(worker.pid)
