"""A worker whose engine is frozen lets go of its accounts before another engine may take them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest
import trio

from rookery import SessionStatus
from rookery_whatsapp import WhatsApp
from rookery_whatsapp.protocol import VERSION, FromWorker, Ping, Stored, ToWorker, Welcome
from rookery_whatsapp.worker import host as module
from rookery_whatsapp.worker.channel import Channel, EngineGone
from rookery_whatsapp.worker.host import Host
from support.waiting import until
from support.whatsapp_engine import reach

from ..conftest import Opener


class SilentEngine:
    """Says these words and then nothing, with its socket open, as a process after SIGSTOP."""

    def __init__(self, *words: ToWorker) -> None:
        self._words = words
        self.over = threading.Event()

    def frames(self) -> Iterator[ToWorker]:
        yield from self._words
        self.over.wait(20)

    def send(self, frame: FromWorker) -> None:
        if self.over.is_set():
            raise EngineGone


def assert_it_ends(monkeypatch: pytest.MonkeyPatch, engine: SilentEngine, began: float, *, patience: float) -> None:
    """0.3 s after `began` (`time.monotonic`)."""
    ended = threading.Event()
    monkeypatch.setattr(module.lifetime, "end_now", ended.set)  # type: ignore[attr-defined]
    thread = threading.Thread(target=Host(cast(Channel, engine), Welcome(VERSION, 0.05, patience)).run, daemon=True)
    thread.start()
    assert ended.wait(10)
    assert time.monotonic() - began >= 0.3
    engine.over.set()
    thread.join(10)
    settle()


@pytest.mark.parametrize(("lease", "patience"), [(0.3, 60.0), (None, 0.3)])
def test_it_ends_with_the_first_lease(monkeypatch: pytest.MonkeyPatch, lease: float | None, patience: float) -> None:
    began = time.monotonic()
    engine = SilentEngine(Ping(began + 60), Ping(None if lease is None else began + lease))
    assert_it_ends(monkeypatch, engine, began, patience=patience)


def test_it_ends_with_the_lease_while_nothing_it_writes_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe to a frozen engine is full, so every thread that writes waits, also the one with the heartbeats."""

    class Full(SilentEngine):
        def send(self, frame: FromWorker) -> None:
            self.over.wait(20)
            raise EngineGone

    began = time.monotonic()
    engine = Full(Ping(began + 0.3))
    assert_it_ends(monkeypatch, engine, began, patience=60.0)


FROZEN = """
import os, socket, sys, threading, time
from types import SimpleNamespace
from rookery_whatsapp.protocol import VERSION, Ping, Welcome, encode
from rookery_whatsapp.worker import host
from rookery_whatsapp.worker.channel import Channel

stuck = threading.Lock()
stuck.acquire()

def hang_up(number):
    os.write(2, b"%d" % number)
    stuck.acquire()  # a disk that does not answer

ours, theirs = socket.socketpair()
worker = host.Host(Channel(theirs), Welcome(VERSION, 0.05, 60.0))
for number in (1, 2):
    worker._clients[number] = SimpleNamespace(hang_up=lambda number=number: hang_up(number))
sys.stdout = open(int(sys.argv[1]), "w")
sys.stdout.write("x")  # something is left to write into a pipe that is full
ours.sendall(encode(Ping(time.monotonic() + 0.2)))
worker.run()
"""


def test_it_ends_in_time_whatever_its_disk_and_its_output_do() -> None:
    """Each client hangs up, though the disk keeps the others waiting; nothing is written to the engine's full pipe."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(65536))
    os.set_blocking(writer, True)
    try:
        worker = subprocess.run(
            [sys.executable, "-c", FROZEN, str(writer)],
            pass_fds=[writer],
            stderr=subprocess.PIPE,
            timeout=10,
            check=True,
        )
    finally:
        os.close(reader)
        os.close(writer)
    assert sorted(worker.stderr) == sorted(b"12")


def settle() -> None:
    """Wait for the threads of a host: `end_now` must stay replaced until they are through, or it ends this process."""
    for thread in threading.enumerate():
        if thread.name in ("beat", "watch", "last"):
            thread.join(10)


def test_it_lives_as_long_as_the_engine_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is renewed again and again ends nothing."""
    ended = threading.Event()
    monkeypatch.setattr(module.lifetime, "end_now", ended.set)  # type: ignore[attr-defined]

    class Talking(SilentEngine):
        def frames(self) -> Iterator[ToWorker]:
            for _ in range(20):
                yield Ping(time.monotonic() + 5.0)
                assert not ended.wait(0.02)
            self.over.wait(20)

    engine = Talking()
    thread = threading.Thread(target=Host(cast(Channel, engine), Welcome(VERSION, 0.01, 60.0)).run, daemon=True)
    thread.start()
    assert not ended.wait(0.6)
    engine.over.set()
    thread.join(10)
    assert ended.wait(10)
    settle()


def test_a_disk_that_stalls_for_one_client_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pings that follow are heard, and the other clients go on."""
    ended, disk, stored = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(module.lifetime, "end_now", ended.set)  # type: ignore[attr-defined]

    class Talking(SilentEngine):
        def frames(self) -> Iterator[ToWorker]:
            yield Stored(1, 1)
            yield Stored(2, 1)
            while not self.over.wait(0.02):
                yield Ping(time.monotonic() + 0.4)

    class Client(NamedTuple):
        unstored: SimpleNamespace

        def hang_up(self) -> None:
            pass

    engine = Talking()
    host = Host(cast(Channel, engine), Welcome(VERSION, 0.01, 0.4))
    slow, quick = (
        Client(SimpleNamespace(stored=lambda _: disk.wait(20))),
        Client(SimpleNamespace(stored=lambda _: stored.set())),
    )
    host._clients = cast(Any, {1: slow, 2: quick})
    thread = threading.Thread(target=host.run, daemon=True)
    thread.start()
    try:
        assert not ended.wait(0.8)
        assert stored.is_set()
    finally:
        disk.set()
        engine.over.set()
        thread.join(10)
        assert ended.wait(10)
        settle()


async def test_the_engine_tells_the_end_of_the_first_lease(mocked: Opener) -> None:
    async with mocked() as engine:
        for id in ("one", "two"):
            await engine.create_session(id=id, platform="whatsapp")
            await reach(engine, id, SessionStatus.CONNECTED)
        provider = engine.providers["whatsapp"]
        assert isinstance(provider, WhatsApp)
        [worker] = provider.pool.workers
        assert worker.lease_end() is None, "a store of its own"
        for id, seconds in (("one", 50.0), ("two", 20.0)):
            engine.running_here()[id].trust_until(trio.current_time() + seconds)
        assert worker.lease_end() == pytest.approx(time.monotonic() + 20, abs=1)
        await engine.stop("two")
        await until(lambda: "two" not in worker.leases, seconds=10)
        assert worker.lease_end() == pytest.approx(time.monotonic() + 50, abs=5)
