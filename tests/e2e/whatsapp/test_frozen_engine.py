"""Only the engine's process is frozen: its worker lets go of the account before another instance takes it."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from rookery import SessionStatus
from rookery.model.session import Reason
from rookery_simulator.whatsapp import WhatsAppSimulator
from store.backends import run_sql
from support.engines import whatsapp_alone
from support.engines.whatsapp_alone import LEASE, SHORT_LEASES
from support.whatsapp_engine import BOB, PATIENCE, event_where, link, open_whatsapp_engine, reach, reasons

KEY = "a passphrase for the tests"


@pytest.fixture
def store(postgres_url: str) -> Iterator[str]:
    name = f"frozen_{secrets.token_hex(4)}"
    yield f"{postgres_url}?schema={name}"
    run_sql(postgres_url, f"DROP SCHEMA IF EXISTS {name} CASCADE; DROP SCHEMA IF EXISTS {name}_whatsapp CASCADE;")


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # a frozen parent reaps nothing
    except psutil.NoSuchProcess:
        return True


@pytest.mark.slow
async def test_a_worker_ends_before_another_instance_connects(
    whatsapp: WhatsAppSimulator, tmp_path: Path, store: str
) -> None:
    options: dict[str, Any] = {"store": store, "secret_key": KEY, "settings": SHORT_LEASES}
    async with open_whatsapp_engine(whatsapp, tmp_path, **options) as engine:
        alice, device = await link(engine, whatsapp)
    command = [sys.executable, whatsapp_alone.__file__, store, KEY, str(tmp_path), json.dumps(whatsapp.environment())]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, check=False, stdout=subprocess.DEVNULL)
        frozen: trio.Process = await nursery.start(run)
        try:
            with trio.fail_after(PATIENCE):
                while device.logins < 2:
                    await trio.sleep(0.02)
                await device.wait_active()
            async with open_whatsapp_engine(whatsapp, tmp_path, **options) as other:
                [worker] = psutil.Process(frozen.pid).children()
                frozen.send_signal(signal.SIGSTOP)
                began = trio.current_time()
                with trio.fail_after(PATIENCE):
                    while not has_ended(worker):
                        assert device.logins == 2, "the other instance connected beside the old worker"
                        await trio.sleep(0.01)
                assert trio.current_time() - began <= LEASE + 1.0
                with trio.fail_after(PATIENCE):  # until then the stored status is the frozen engine's last one
                    while device.logins < 3:
                        await trio.sleep(0.02)
                await reach(other, "one", SessionStatus.CONNECTED)
                assert device.logins == 3
                sent = whatsapp.phone(BOB).send_text(alice, "to the other instance")
                await event_where(other, lambda event: event.body.get("message_id") == sent.id)
                frozen.send_signal(signal.SIGCONT)
                await trio.sleep(1.0)  # it finds that its lease ran out, and leaves the account alone
                assert Reason.CONFLICT not in reasons(await other.history("one"))
                assert device.logins == 3
        finally:
            frozen.kill()
