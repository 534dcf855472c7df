"""Machines and the processes on them: started, stopped, paused, killed, cut off."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import trio

from rookery import Engine, EngineSettings, open_engine
from rookery.errors import RookeryError

from .world import EPOCH, PROCESS, Crashed, World

RESTART_DELAY = 8.0  # seconds before a process that could not start is started again


class Process:
    """One engine from its start to its end. Its tasks carry it in `PROCESS`."""

    def __init__(self, machine: Machine, number: int) -> None:
        self.machine = machine
        self.name = f"{machine.name}.{number}"
        self.held: list[Any] = []  # tasks that would run if the process was not stopped
        self.alive = True  # false once it was killed or has ended
        self.paused = False
        self.paused_at = -1.0  # when it was stopped last
        self.engine: Engine | None = None
        self.stop = trio.Event()
        self.ended = trio.Event()
        self.scope = trio.CancelScope()
        self.nursery: trio.Nursery | None = None  # for what clients ask of it
        self.workers: list[Any] = []  # processes of its own, which die with it

    def __repr__(self) -> str:
        return self.name

    @property
    def running(self) -> bool:
        """It is there and its tasks run."""
        return self.alive and not self.paused

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """A task of this process, as for a request of a client; nothing when it takes none."""
        if self.nursery is not None and self.running:
            context = copy_context()
            context.run(PROCESS.set, self)
            context.run(self.nursery.start_soon, function, *args)


class Machine:
    """Where one process at a time runs. What it has of the network is its own."""

    def __init__(
        self, name: str, world: World, nursery: trio.Nursery, make: Callable[[Process], dict[str, Any]]
    ) -> None:
        self.name = name
        self.skew = 0.0  # seconds that its wall clock is ahead
        self.process: Process | None = None
        self.database = "up"  # how it reaches the database: up, refuse, hang, slow, lossy
        self.platform = "up"  # how it reaches the platforms: up, refuse, hang, lossy
        self.deaf = False  # notifications get lost
        self.lag = 1.0  # times as long as usual for everything outside
        self._world = world
        self._nursery = nursery
        self._make = make
        self.started = 0

    def start(self) -> None:
        """Start a process; it is started again when it ends without having been asked to."""
        self.started += 1
        process = self.process = Process(self, self.started)
        self._world.tell(f"{process} starts")
        context = copy_context()
        context.run(PROCESS.set, process)
        context.run(self._nursery.start_soon, self._live, process)

    async def _live(self, process: Process) -> None:
        world = self._world
        try:
            with process.scope:
                async with open_engine(
                    instance=process.name,
                    clock=lambda: EPOCH + world.now + self.skew,
                    **self._make(process),
                ) as engine:
                    process.engine = engine
                    async with trio.open_nursery() as nursery:
                        process.nursery = nursery
                        await process.stop.wait()
                        process.nursery = None
                        nursery.cancel_scope.cancel()
        except BaseException as error:
            if not world.over and process.alive:
                if not _expected(error):
                    world.violate(f"{process} ended with {_short(error)}")
                else:
                    world.tell(f"{process} could not go on: {_short(error)}")
        finally:
            ended_by_itself = process.alive and not process.stop.is_set()
            process.alive = False
            process.nursery = None
            for worker in process.workers:
                worker.die("its engine has ended")
            process.ended.set()
            if not world.over and self.process is process:
                self.process = None
                world.tell(f"{process} has ended")
                if ended_by_itself:
                    world.after(RESTART_DELAY, self._again)

    def _again(self) -> None:
        if self.process is None and not self._world.over:
            self.start()

    def kill(self) -> None:
        """SIGKILL: none of its tasks takes another step."""
        process = self.process
        if process is None:
            return
        self._world.tell(f"{process} is killed")
        self.process = None
        process.alive = False
        process.nursery = None
        self._world.frozen.add(process)
        self._hold(process)
        for worker in process.workers:
            worker.die("its engine was killed")

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self.process is not None and self.process.alive and not self.process.stop.is_set():
            self._world.tell(f"{self.process} is asked to stop")
            self.process.stop.set()
            if self.process.engine is None:  # still opening
                self.process.scope.cancel()

    def pause(self) -> None:
        """SIGSTOP."""
        if self.process is not None and not self.process.paused:
            self._world.tell(f"{self.process} is paused")
            self.process.paused = True
            self.process.paused_at = self._world.now
            self._world.frozen.add(self.process)
            self._hold(self.process)

    def resume(self) -> None:
        """SIGCONT."""
        process = self.process
        if process is not None and process.paused:
            self._world.tell(f"{process} goes on")
            process.paused = False
            self._world.frozen.discard(process)
            release(process)

    @staticmethod
    def _hold(process: Process) -> None:
        """Tasks that are runnable at this moment do not run again."""
        runnable = _queue()
        mine = [task for task in runnable if task.context.get(PROCESS) is process]
        if mine:
            rest = [task for task in runnable if task.context.get(PROCESS) is not process]
            runnable.clear()
            deque.extend(runnable, rest)
            process.held.extend(mine)


def release(process: Process) -> None:
    """Let the tasks run that were held."""
    held, process.held = process.held, []
    deque.extend(_queue(), held)


def _queue() -> Any:
    from trio._core import _run

    return _run.GLOBAL_RUN_CONTEXT.runner.runq


def _expected(error: BaseException) -> bool:
    """The database was away when it started: a supervisor starts it again."""
    if isinstance(error, BaseExceptionGroup):
        return all(_expected(one) for one in error.exceptions)
    return isinstance(error, RookeryError | Crashed | trio.Cancelled)


def _short(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_short(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


def calm(settings: EngineSettings) -> float:
    """Seconds within which a lease that is no longer renewed has been taken over."""
    return settings.lease_ttl + settings.cluster_poll_interval + settings.claim_patience
