"""Conformance: kill -9 of a writing process loses nothing that was acknowledged and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rookery.model.event import EventQuery
from store.backends import Backend, PostgresBackend, SqliteBackend
from store.building import new_session, webhook

SESSIONS = 4
LIFETIMES = (0.0, 0.003, 0.01, 0.02, 0.05, 0.1)  # seconds after the first acknowledgement

WRITER = """
import sys, time, trio
from pathlib import Path
from rookery.model import Lease
from store.building import event
from store.backends import PostgresBackend, SqliteBackend

kind, place, schema = sys.argv[1:]
if kind == "sqlite":
    store = SqliteBackend(Path(place)).make(wait=30.0)
else:
    store = PostgresBackend(place, schema).make()

async def main():
    async with store.open(), trio.open_nursery() as nursery:
        claimed = 0
        while claimed < 4:
            for session in await store.claim("me", limit=9, now=time.time(), ttl=0.2):
                claimed += 1
                lease = Lease(session.id, session.uid, "me", session.fence)
                nursery.start_soon(write, lease, int(session.cursor or 0))
            await trio.sleep(0.01)

async def write(lease, number):
    while True:
        await store.append(lease, [event(f"{number}-{part}") for part in range(3)], str(number + 1))
        sys.stdout.write(f"{lease.session} {number}\\n")
        sys.stdout.flush()
        number += 1

trio.run(main)
"""


def run_and_kill(backend: Backend, lifetime: float) -> list[str]:
    """What a writing process had acknowledged when it was killed."""
    if isinstance(backend, SqliteBackend):
        place = ["sqlite", str(backend.path), ""]
    else:
        assert isinstance(backend, PostgresBackend)
        place = ["postgres", backend.url, backend.schema]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, *place], stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(lifetime)
        process.send_signal(signal.SIGKILL)
        return (first + process.stdout.read()).splitlines()


@pytest.mark.slow
async def test_kill_9_at_any_moment(durable: Backend) -> None:
    store = durable.make()
    async with store.open():
        await store.create_webhook(webhook())
        for number in range(SESSIONS):
            await store.create_session(new_session(f"s{number}"))
    acknowledged: set[tuple[str, int]] = set()
    for lifetime in LIFETIMES:
        for line in run_and_kill(durable, lifetime):
            session, _, number = line.partition(" ")  # type: ignore[assignment]
            acknowledged.add((session, int(number)))
    assert len(acknowledged) >= len(LIFETIMES)
    store = durable.make()
    async with store.open():  # SQLite: the lock is free although its holder was killed
        total = 0
        for number in range(SESSIONS):
            found = [one.key for one in await store.read_events(EventQuery(session=f"s{number}", limit=10**6))]
            count = len(found) // 3
            assert found == [f"{step}-{part}" for step in range(count) for part in range(3)]
            assert (await store.get_session(f"s{number}")).cursor == (str(count) if count else None)
            assert all(step < count for session, step in acknowledged if session == f"s{number}")
            total += len(found)
        assert await store.delivery_counts() == {"hook": (total, 0)}
