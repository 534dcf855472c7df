"""The engine's side of one worker process: starts it, exchanges frames with it, watches it and ends it."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio

from rookery.errors import (
    NotConnected,
    OutcomeUnknown,
    ProviderError,
    TerminalError,
)
from rookery.log import get_logger
from rookery.model.session import Action, Reason

from .. import protocol
from ..protocol import Beat, Failed, Happened, Hello, Notice, Ping, Quit, Reply, Unfit, Welcome, WorkerCall
from ..settings import WorkerSettings
from .answers import value_of
from .output import drain
from .port import ClientPort

CHUNK = 256 * 1024  # bytes
OUTGOING = 64  # maximum number of frames that wait to be written,
OUTGOING_PER_SESSION = 8  # and as many more for each session: all of them may start or stop at the same moment
LINES_KEPT = 30  # last lines of a worker's output
KILL_DEADLINE = 5.0  # seconds

log = get_logger("SESSION")


class WorkerProcess:
    """One worker process. The pool calls `run`, which lasts as long as the process; links call the other methods."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], settings: WorkerSettings
    ) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self._settings = settings
        self.ports: dict[int, ClientPort] = {}
        self.sessions: list[str] = []  # sessions that use this worker or are about to
        self.hosted: set[str] = set()  # all sessions that have ever used this worker
        self.reserved = False  # whether it hosts only one session, which may crash it
        self.suspects: list[str] | None = None  # sessions that were logging in when it crashed
        self.idle_since = math.inf
        self.leftovers = 0
        self.library = ""
        self.pid: int | None = None
        self.ended = trio.Event()
        self.end = ""  # why the process ended, for people
        self._unfit: str | None = None
        self._known = trio.Event()  # set once the process has sent Hello or Unfit, or has ended
        self._quitting = False
        self._calls: dict[int, tuple[trio.Event, list[Reply | Failed]]] = {}
        self._next = 0
        self._heard = True
        self.last_words: deque[str] = deque(maxlen=LINES_KEPT)  # the last lines of its output
        self.leases: dict[str, Callable[[], float]] = {}  # by session: the trio time until which its lease is certain
        self._outgoing, self._to_write = trio.open_memory_channel[protocol.ToWorker](
            OUTGOING + OUTGOING_PER_SESSION * settings.sessions_per_worker
        )

    @property
    def quitting(self) -> bool:
        """True once the engine has asked the process to end."""
        return self._quitting

    @property
    def crashed(self) -> bool:
        """True if the process ended by itself: not on request, and not killed by the engine, a person or the kernel."""
        if self.pid is None or self._quitting or not self.ended.is_set():
            return False
        return self._process.returncode not in (0, -signal.SIGKILL)

    @property
    def usable(self) -> bool:
        """True when the process can take another client."""
        return not (
            self.ended.is_set() or self._quitting or self._unfit or self.leftovers >= self._settings.most_leftovers
        )

    async def wait_ready(self) -> None:
        """Return when the library is loaded. Raises ProviderError; TerminalError when the library cannot be loaded."""
        await self._known.wait()
        if self._unfit is not None:
            raise TerminalError(self._unfit, reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION)
        if self.ended.is_set():
            raise ProviderError(f"the worker process ended: {self.end}")

    def tell(self, frame: protocol.ToWorker) -> None:
        """Queue a frame. Kills a worker that has stopped reading."""
        try:
            self._outgoing.send_nowait(frame)
        except trio.WouldBlock:
            self.kill("it does not read")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def call(self, client: int, method: str, arguments: dict[str, Any]) -> Any:
        """See `ClientPort.call`."""
        if self.ended.is_set():
            raise NotConnected("the worker process ended")
        self._next += 1
        number, done, answers = self._next, trio.Event(), list[Reply | Failed]()
        self._calls[number] = (done, answers)
        try:
            await self._outgoing.send(WorkerCall(number, client, method, arguments))
            await done.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise NotConnected("the worker process ended") from None
        finally:
            del self._calls[number]
        if not answers:
            raise OutcomeUnknown(f"the worker process ended: {self.end}")
        return value_of(answers[0])

    def quit(self) -> None:
        """Ask the process to end. It takes no new clients from now on."""
        self._quitting = True
        self.tell(Quit())

    def kill(self, why: str) -> None:
        """Kill the process."""
        self.end = self.end or why
        if self.pid is not None and not self.ended.is_set():
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    async def run(self) -> None:
        """Start the process and serve it until it ends. Never raises when the process fails."""
        try:
            stream, outputs = self._spawn()
        except OSError as error:
            self.end = f"it could not be started: {error}"
            self._finish()
            return
        try:
            async with trio.open_nursery() as nursery:
                for output in outputs:
                    nursery.start_soon(drain, output, self.name, self.last_words)
                nursery.start_soon(self._write, stream)
                nursery.start_soon(self._watch)
                await self._read(stream)
                with trio.move_on_after(0.2):  # to read its last output
                    while self._process.poll() is None:
                        await trio.sleep(0.005)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + KILL_DEADLINE):
                self._signal(signal.SIGKILL)
                while self._process.poll() is None:
                    await trio.sleep(0.005)
            self._finish()
            for closing in (stream, *outputs):
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(closing)

    def _spawn(self) -> tuple[trio.SocketStream, list[trio.lowlevel.FdStream]]:
        """Start the process in this thread: Linux kills a worker when its starting thread ends (see `worker.lifetime`)."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the command is the operator's
                    [*self._command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                    env=self._environment,
                    start_new_session=True,  # Ctrl+C in a terminal is for the engine only
                )
            except OSError:
                ours.close()
                raise
        self.pid = self._process.pid
        outputs = []
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            outputs.append(trio.lowlevel.FdStream(os.dup(pipe.fileno())))
            pipe.close()
        return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), outputs

    async def _write(self, stream: trio.SocketStream) -> None:
        try:
            welcome = Welcome(protocol.VERSION, self._settings.beat, self._settings.engine_silence)
            await stream.send_all(protocol.encode(welcome))
            async for frame in self._to_write:
                await stream.send_all(protocol.encode(frame))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the reader detects the closed socket

    async def _read(self, stream: trio.SocketStream) -> None:
        reader = protocol.FrameReader()
        try:
            while data := await stream.receive_some(CHUNK):
                self._heard = True
                for body in reader.feed(data):
                    self._handle(protocol.from_worker.decode(body))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except (protocol.BrokenStream, ValueError) as error:
            self.end = self.end or f"it violated the protocol: {error}"

    def _handle(self, frame: protocol.FromWorker) -> None:
        match frame:
            case Happened() | Notice():
                if port := self.ports.get(frame.client):
                    port.deliver(frame)
            case Reply() | Failed():
                if waiting := self._calls.get(frame.call):
                    waiting[1].append(frame)
                    waiting[0].set()
            case Beat():
                self.leftovers = frame.leftovers
            case Hello() if frame.version == protocol.VERSION:
                self.library = frame.library
                self._known.set()
            case Hello():
                self._unfit = f"the worker speaks version {frame.version} of the protocol, not {protocol.VERSION}"
                self._known.set()
            case Unfit():
                self._unfit = frame.reason
                self._known.set()

    def lease_end(self) -> float | None:
        """The time at which the first lease of its sessions ends, on the clock of `time.monotonic`."""
        first = min((until() for until in self.leases.values()), default=math.inf)
        return None if first == math.inf else time.monotonic() + first - trio.current_time()

    def ping(self) -> None:
        """Tell the worker that the engine is alive, and how long the leases of its sessions last."""
        self.tell(Ping(self.lease_end()))

    async def _watch(self) -> None:
        """Send heartbeats, and kill a worker that sends none. Silence is counted in checks, not seconds, so that a delay of
        this process counts as a single check."""
        beat, missed = self._settings.beat, 0
        patience = self._settings.loading
        while True:
            await trio.sleep(beat)
            self.ping()
            missed = 0 if self._heard else missed + 1
            self._heard = False
            if self._known.is_set():
                patience = self._settings.silence
            if missed * beat >= patience:
                self.kill(f"no heartbeat for {missed * beat:g} s")

    def _finish(self) -> None:
        code = self._process.poll() if self.pid is not None else None
        expected = self._quitting and code == 0
        self.end = self.end or f"exit status {code}"
        if not expected and self._unfit is None:
            log.warning(
                "a worker process ended",
                worker=self.name,
                pid=self.pid,
                status=code,
                cause=self.end,
                sessions=len(self.ports),
                last_words=list(self.last_words),
            )
        self.ended.set()
        self._known.set()
        self._outgoing.close()
        self._to_write.close()
        for port in self.ports.values():
            port.close()
        for done, _ in self._calls.values():
            done.set()


def default_command() -> list[str]:
    """The command that runs this package's worker with this Python."""
    return [sys.executable, "-m", "rookery_whatsapp.worker"]
