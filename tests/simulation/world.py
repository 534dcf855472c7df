"""The simulated world: virtual time, one seed, and a schedule in which nothing is left to chance.

Everything runs in one Trio run in one thread. What is outside of the engines (the database, the platforms, the network)
is a heap of callbacks that the clock works off whenever no task can run; so an hour costs as much as what happens in it.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import outcome
import trio
from trio._core import _run

if TYPE_CHECKING:
    from .machines import Process

EPOCH = 1_700_000_000.0
"""The wall clock at the beginning, seconds since the epoch."""

SPIN_LIMIT = 50_000
"""Task steps without any passing of time after which something spins."""

PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)
"""The simulated process that a task belongs to; None for the world's own tasks."""


class Violation(Exception):
    """An invariant does not hold."""


class Crashed(BaseException):
    """Raised in the remaining tasks of a process when the simulation ends."""


class World:
    """Time, chance and the story of one life. `random(name)` gives each part its own stream, so that a part that asks more
    often does not change what the others get."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.now = 0.0
        self.over = False
        self.story: list[tuple[float, str]] = []
        self.violations: list[str] = []
        self.on_violation: Callable[[], object] | None = None
        self.frozen: set[Process] = set()
        self._heap: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = itertools.count()
        self.chance = self.random("network")

    def random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    @property
    def wall(self) -> float:
        """The right time, seconds since the epoch; machines may show another one."""
        return EPOCH + self.now

    def tell(self, what: str) -> None:
        """Add a line to the story."""
        self.story.append((self.now, what))

    def violate(self, what: str) -> None:
        """An invariant does not hold."""
        if self.over:
            return
        self.tell(f"VIOLATION {what}")
        if len(self.violations) < 20:
            self.violations.append(f"{self.now:.3f} {what}")
        if self.on_violation is not None:
            self.on_violation()

    def at(self, when: float, call: Callable[..., object], *args: Any) -> None:
        """Call it at that time, outside of every task. It must not block and must not raise."""
        heapq.heappush(self._heap, (when, next(self._numbers), call, args))

    def after(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        """As `at`, in `delay` seconds."""
        heapq.heappush(self._heap, (self.now + delay, next(self._numbers), call, args))

    def pass_time(self, deadline: float) -> None:
        """No task can run: go on to the next callback, or to the next deadline of a task."""
        heap, runnable = self._heap, _run.GLOBAL_RUN_CONTEXT.runner.runq
        if heap and heap[0][0] <= deadline:
            while heap and heap[0][0] <= deadline and (not runnable or heap[0][0] <= self.now):
                when, _, call, args = heapq.heappop(heap)
                if when > self.now:
                    self.now = when
                call(*args)
        elif deadline == float("inf"):
            raise RuntimeError(f"every task waits for ever at {self.now:.3f}, over={self.over}: {waiting()}")
        else:
            self.now = max(self.now, deadline)


def waiting() -> str:
    """The tasks that wait, and where."""
    found = []
    for task in _run.GLOBAL_RUN_CONTEXT.runner.tasks:
        frames: list[str] = []
        coroutine: Any = task.coro
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
            if frame is None:
                break
            frames.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            coroutine = getattr(coroutine, "cr_await", None)
        found.append(f"{task.name} {' < '.join(reversed(frames[-4:]))}")
    return "; ".join(sorted(found)[:12])


class VirtualClock(trio.abc.Clock):
    """Jumps from one thing that happens to the next."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: RunQueue | None = None

    def start_clock(self) -> None:
        self._queue = _run.GLOBAL_RUN_CONTEXT.runner.runq = RunQueue(self._world)

    def current_time(self) -> float:
        return self._world.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks when nothing is runnable."""
        assert self._queue is not None
        self._queue.steps = 0
        if self._world.over and deadline == float("inf"):
            return 1.0  # Trio itself waits until nothing happens any more
        self._world.pass_time(deadline)
        return 0.0


class RunQueue(deque[Any]):
    """Trio's queue of runnable tasks; those of a process that is stopped wait elsewhere."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.steps = 0

    def append(self, task: Any) -> None:
        if self._world.frozen:
            process = task.context.get(PROCESS)
            if process in self._world.frozen:
                process.held.append(task)
                return
        self.steps += 1
        if self.steps > SPIN_LIMIT:
            raise RuntimeError(f"something spins at {self._world.now:.3f}: {task.name}")
        super().append(task)


Reply = Callable[[outcome.Outcome[Any]], None]


async def ask(start: Callable[[Reply], object], on_abort: Callable[[], object] | None = None) -> Any:
    """Wait for an answer from outside. `start` is given what to call with it, once or never; what comes after the caller was
    cancelled (`on_abort`) is dropped."""
    task = trio.lowlevel.current_task()
    waiting = True

    def reply(result: outcome.Outcome[Any]) -> None:
        nonlocal waiting
        if waiting:
            waiting = False
            trio.lowlevel.reschedule(task, result)

    def abort(_: object) -> trio.lowlevel.Abort:
        nonlocal waiting
        waiting = False
        if on_abort is not None:
            on_abort()
        return trio.lowlevel.Abort.SUCCEEDED

    start(reply)
    return await trio.lowlevel.wait_task_rescheduled(abort)


class Mailbox:
    """From outside to one task of a process, which takes everything that has come when it runs again."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._task: Any = None
        self.closed = False

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._wake()

    def close(self) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    async def take(self) -> list[Any]:
        """The frames that have arrived; empty only after the last one."""
        while not self._items and not self.closed:
            self._task = trio.lowlevel.current_task()

            def abort(_: object) -> trio.lowlevel.Abort:
                self._task = None
                return trio.lowlevel.Abort.SUCCEEDED

            await trio.lowlevel.wait_task_rescheduled(abort)
        items, self._items = self._items, []
        return items
