"""The worker's main thread reads the engine's frames and dispatches them, but never waits for the disk. A second one sends
heartbeats, and a third ends the worker when the engine is silent."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from ..protocol import VERSION, Beat, Failed, Hello, Ping, Quit, Reply, Start, Stop, Stored, Unfit, Welcome, WorkerCall
from . import lifetime
from .calls import voice
from .channel import Channel, EngineGone
from .gate import MapGate
from .loading import library

if TYPE_CHECKING:
    from .client import Client

CALL_THREADS = 1024
"""Maximum number of calls that wait for the network at once; threads are started on demand."""

CALLS_PER_CLIENT = 16
"""Maximum number of such calls for one client: calls on a dead connection take a minute or more, and must not block
calls to the other clients."""

STORING_THREADS = 32
"""Maximum number of clients that process `Stored` at once; each client has only one event at a time with the engine."""

LAST_STOP = 1.5
"""Seconds that `Quit` gives the clients to disconnect."""

HANGING_UP = 0.15
"""Seconds that an abandoned worker gives its clients to disconnect and to save what the library has acknowledged."""


class Host:
    """Owns the worker's clients."""

    def __init__(self, channel: Channel, welcome: Welcome) -> None:
        self._channel = channel
        self._welcome = welcome
        self._gate = MapGate()
        self._clients: dict[int, Client] = {}
        self._latest: dict[str, Client] = {}  # by session, also while it is ending
        self._calls = ThreadPoolExecutor(CALL_THREADS, thread_name_prefix="call")
        self._storing = ThreadPoolExecutor(STORING_THREADS, thread_name_prefix="stored")
        self._calling: Counter[int] = Counter()  # number of calls under way, by client
        self._counting = threading.Lock()
        self._heard = time.monotonic()
        self._until: float | None = None  # when other engines may take over, unless our engine extends this time
        self._ending = threading.Event()
        self.leftovers = 0

    def run(self) -> None:
        """Run until the engine is gone or asks the worker to end."""
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        threading.Thread(target=self._watch, name="watch", daemon=True).start()
        for frame in self._channel.frames():
            self._heard = time.monotonic()
            match frame:
                case Ping():
                    self._until = frame.until
                case Stored():
                    if client := self._clients.get(frame.client):
                        # It may wait for the disk, and pings must be read meanwhile.
                        self._storing.submit(client.unstored.stored, frame.number).add_done_callback(self._note_defect)
                case WorkerCall():
                    self._accept(frame)
                case Start():
                    self._start(frame)
                case Stop():
                    if client := self._clients.get(frame.client):
                        client.stop()
                case Quit():
                    self._stop_all()
                    return

    @staticmethod
    def _note_defect(storing: Future[None]) -> None:
        """End the process after a defect in `stored`: its session would hand over nothing more. The engine starts another."""
        if not storing.cancelled() and (error := storing.exception()) and not isinstance(error, EngineGone):
            traceback.print_exception(error)
            lifetime.end_now()

    def _start(self, start: Start) -> None:
        from .client import Client

        client = Client(start, self._channel, self._gate, self._ended, self._latest.get(start.session))
        self._clients[start.client] = client
        self._latest[start.session] = client
        client.begin()

    def _ended(self, client: Client) -> None:
        self.leftovers += 1
        self._clients.pop(client.number, None)
        if self._latest.get(client.session) is client:
            del self._latest[client.session]

    def _stop_all(self) -> None:
        clients = list(self._clients.values())
        for client in clients:
            client.stop()
        deadline = time.monotonic() + LAST_STOP
        for client in clients:
            client.gone.wait(max(0.0, deadline - time.monotonic()))

    def _accept(self, call: WorkerCall) -> None:
        with self._counting:
            full = self._calling[call.client] >= CALLS_PER_CLIENT
            self._calling[call.client] += not full
        if full:
            with suppress(EngineGone):
                self._channel.send(
                    Failed(call.call, "not_connected", "too many calls of this session are waiting for an answer")
                )
        else:
            self._calls.submit(self._call, call)

    def _call(self, call: WorkerCall) -> None:
        try:
            answer = self._answer(call)
        finally:
            with self._counting:
                self._calling[call.client] -= 1
                if not self._calling[call.client]:
                    del self._calling[call.client]
        with suppress(EngineGone):
            self._channel.send(answer)

    def _answer(self, call: WorkerCall) -> Reply | Failed:
        from .calls.failures import CallFailed
        from .calls.methods import BEFORE_LIVE, METHODS, prepare

        client = self._clients.get(call.client)
        try:
            if call.method == "prepare":
                prepare(call.arguments)
                return Reply(call.call, None)
            if call.method == "describe" and client is not None:
                # Needs no connection: events that an earlier client left are handed over before there is one.
                return Reply(call.call, METHODS["describe"](client, call.arguments))
            with self._gate.call():
                # The library crashes when a call names a client that it does not have.
                if client is None or not (client.usable and (client.live or call.method in BEFORE_LIVE)):
                    raise CallFailed("not_connected", "the client is not connected")
                return Reply(call.call, METHODS[call.method](client, call.arguments))
        except CallFailed as failure:
            return Failed(call.call, failure.kind, str(failure))
        except Exception as error:
            return Failed(call.call, "rejected", f"{type(error).__name__}: {error}")

    def _left_alone(self) -> bool:
        """True when the engine has been silent for too long, for example because it is frozen: its leases end, so all
        clients must disconnect."""
        now = time.monotonic()
        return now - self._heard >= self._welcome.patience or (self._until is not None and now >= self._until)

    def _beat(self) -> None:
        with suppress(EngineGone):
            while True:
                self._channel.send(Beat(len(self._clients), self.leftovers))
                time.sleep(self._welcome.beat)
        self._hang_up()

    def _watch(self) -> None:
        """Decide by the clock alone: a thread that writes to a frozen engine blocks forever."""
        while not self._left_alone():
            lifetime.end_if_orphaned()
            if self._ending.wait(self._welcome.beat):
                return
        self._hang_up()

    def _hang_up(self) -> None:
        """End the process after `HANGING_UP`, whatever the clients are waiting for."""
        try:
            last = threading.Timer(HANGING_UP, lifetime.end_now)
            last.name, last.daemon = "last", True
            last.start()
            self._ending.set()
            for client in list(self._clients.values()):
                threading.Thread(target=client.hang_up, name="hang up", daemon=True).start()
            last.join()
        finally:  # also if no thread can be started
            lifetime.end_now()


def main(descriptor: int) -> None:
    """Run a worker on the socket `descriptor`; ends the process."""
    # The engine decides when to stop: a signal to the whole process group must not end the worker first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lifetime.die_with_parent()
    channel = Channel(socket.socket(fileno=descriptor))
    welcome = next(channel.frames(), None)
    try:
        if not isinstance(welcome, Welcome) or welcome.version != VERSION:
            channel.send(Unfit(f"the worker uses version {VERSION} of the protocol, the engine a different one"))
        else:
            try:
                name = library.load()
            except library.Unusable as error:
                channel.send(Unfit(str(error)))
            else:
                channel.send(Hello(VERSION, name, os.getpid()))
                voice.remove_leftovers()
                Host(channel, welcome).run()
    except EngineGone:
        pass
    lifetime.end()
