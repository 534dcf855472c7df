"""An engine whose WhatsApp sessions talk to a simulator through the real neonize library in real workers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from rookery import Engine, EngineSettings, Event, EventQuery, Session, SessionStatus, open_engine
from rookery.model.session import Reason
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from rookery_whatsapp import WhatsApp, WorkerSettings
from support.waiting import until, until_found

PATIENCE = 40.0
"""Seconds for one step of a test; nothing takes long by itself, but the machine may be busy."""

QUICK = EngineSettings(
    backoff_network=0.3,
    backoff_server_error=0.3,
    backoff_conflict=0.5,
    backoff_jitter=0.1,
    logout_settle=0.1,
    start_stagger=0.0,
)
WATCHFUL = WorkerSettings(watch=0.2, zombie=0.6, connecting=20.0)

NUMBER = "4915100000001"
BOB = "4915100000002"


def trusting(worker: str = "rookery_whatsapp.worker") -> list[str]:
    """The command of a worker that trusts the simulator."""
    return [sys.executable, "-m", "rookery_simulator.whatsapp.trusting_worker", worker]


def provider(simulator: WhatsAppSimulator, directory: Path, **options: Any) -> WhatsApp:
    options.setdefault("worker_command", trusting())
    options.setdefault("workers", WATCHFUL)
    return WhatsApp(data_dir=directory, worker_environment=simulator.environment(), **options)


@asynccontextmanager
async def open_whatsapp_engine(
    simulator: WhatsAppSimulator,
    directory: Path,
    *,
    settings: EngineSettings = QUICK,
    store: str | None = None,
    secret_key: str | None = None,
    **options: Any,
) -> AsyncIterator[Engine]:
    """The store and the devices' keys are in `directory` unless the options say otherwise."""
    async with open_engine(
        providers=[provider(simulator, directory, **options)],
        store=store or f"sqlite:///{directory / 'rookery.db'}",
        secret_key=secret_key,
        settings=settings,
    ) as engine:
        yield engine


async def reach(engine: Engine, id: str, status: SessionStatus, reason: Reason | None = None) -> Session:
    """Wait until the session has this status, and this reason."""
    return await until_found(
        partial(engine.wait_status, id, status),
        lambda session: reason is None or session.health.reason is reason,
        seconds=PATIENCE,
    )


async def qr_of(engine: Engine, id: str) -> str:
    """The QR code that the session shows."""
    await reach(engine, id, SessionStatus.QR_REQUIRED)
    shown = await engine.pairing(id)
    assert shown is not None
    assert shown.kind == "qr"
    return shown.code


async def link(
    engine: Engine, simulator: WhatsAppSimulator, id: str = "one", number: str = NUMBER, **fields: Any
) -> tuple[Phone, LinkedDevice]:
    """A new session, linked to the phone with this number and connected."""
    phone = simulator.phone(number)
    await engine.create_session(id=id, platform="whatsapp", **fields)
    with trio.fail_after(PATIENCE):
        device = await phone.scan(await qr_of(engine, id))
        await reach(engine, id, SessionStatus.CONNECTED)
        await device.wait_active()
    return phone, device


async def event_where(engine: Engine, matches: Callable[[Event], bool], *, after: int = 0) -> Event:
    """The first stored event that matches."""
    with trio.fail_after(PATIENCE):
        async for event in engine.events(after=after):
            if matches(event):
                return event
    raise AssertionError("unreachable")


async def events_of(engine: Engine, session: str, type: str = "message") -> list[Event]:
    """All of a session's events of one type."""
    found: list[Event] = []
    while page := await engine.read_events(
        EventQuery(after=found[-1].id if found else 0, session=session, types=(type,), limit=500)
    ):
        found += page
    return found


def reasons(history: Any) -> list[Reason]:
    """Of a session's history, oldest first."""
    return [transition.reason for transition in reversed(history)]


async def messages_until(engine: Engine, session: str, last: str) -> list[str]:
    """The ids of the session's messages, once `last` is one of them."""

    async def ids() -> list[str]:
        return [event.body["message_id"] for event in await events_of(engine, session)]

    return await until_found(ids, lambda found: last in found, seconds=PATIENCE)


async def delivered(device: LinkedDevice) -> None:
    """Return once the device has taken everything that was sent to it."""
    await until(lambda: not device.undelivered, seconds=PATIENCE)


async def came_back_at_once(engine: Engine, id: str) -> None:
    """After the last shutdown: connected by the first attempt, without a code. Statuses are stored a moment later."""
    found = reasons(
        await until_found(
            lambda: engine.history(id), lambda rows: reasons(rows)[-1] is Reason.CONNECTED, seconds=PATIENCE
        )
    )
    assert found[-4:] == [Reason.SHUTDOWN, Reason.RESTORING, Reason.STARTING, Reason.CONNECTED]
