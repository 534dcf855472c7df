"""One thread with its own asyncio loop, for libraries that support only asyncio.

Trio tasks pass coroutines to it and wait. The loop is created directly, not through the host's asyncio policy, and
nothing travels in context variables, so the thread works whatever the host does with asyncio and from any of the host's
tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakSet

import outcome
import trio

from ..errors import StoreUnavailable

T = TypeVar("T")
Start = Callable[[], Coroutine[Any, Any, T]]

CANCEL_TIMEOUT = 1.0
"""Seconds that a cancelled caller waits for its coroutine to end. Then the caller leaves, and the coroutine ends
later."""

FAREWELLS = 4
"""How many times the remaining tasks of the loop are cancelled at the end: a cancelled task may start another one."""

CLOSE_TIMEOUT = 1.5
"""Seconds to wait at the end for tasks that still run."""


class Connections:
    """The connections that a library opened. After a failed login, a cancelled attempt or a silent peer, libraries leave
    sockets to the garbage collector; `abort` closes at once what is still open."""

    def __init__(self) -> None:
        self._opened: list[asyncio.BaseTransport] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """In the loop: what this task, and the tasks that it starts, open from now on belongs here."""
        token = _opening.set(self)
        try:
            yield
        finally:
            _opening.reset(token)

    def add(self, transport: asyncio.BaseTransport) -> None:
        self._opened.append(transport)

    def abort(self) -> None:
        """In the loop: close all of them without waiting for the peer."""
        opened, self._opened = self._opened, []
        for transport in reversed(opened):  # encryption before what it is laid over
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()


_opening: ContextVar[Connections | None] = ContextVar("opening", default=None)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._opened: WeakSet[asyncio.BaseTransport] = WeakSet()

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        return self._noted(await super().create_connection(*arguments, **options))

    async def start_tls(self, *arguments: Any, **options: Any) -> Any:
        return self._noted((await super().start_tls(*arguments, **options), None))[0]

    def abort_left(self) -> None:
        """Close what libraries leave open: Python 3.11's `wait_for` can swallow a cancellation, after which a library goes on
        to connect for a caller that has gone."""
        left = Connections()
        for transport in self._opened:
            left.add(transport)
        left.abort()

    def _noted(self, opened: tuple[Any, Any]) -> tuple[Any, Any]:
        if opened[0] is not None:
            self._opened.add(opened[0])
            if (connections := _opening.get()) is not None:
                connections.add(opened[0])
        return opened


class AsyncioThread:
    """Made by `open_asyncio_thread`. `run` is called from trio; `loop` is for code that runs in the thread."""

    def __init__(self, name: str) -> None:
        self.loop = _Loop()
        self._token = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._ended = trio.Event()
        self._open = False
        self.cancel_timeout = CANCEL_TIMEOUT
        self.close_timeout = CLOSE_TIMEOUT

    async def run(self, start: Start[T]) -> T:
        """Run `start()` in the loop and return its result.

        Cancellation is forwarded. The caller waits until the coroutine has ended, at most `CANCEL_TIMEOUT`, so that the
        caller's next action happens after the coroutine's last one.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        call = _Call(self, start)

        def abort(raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            call.raise_cancel = raise_cancel
            self.call(call.cancel)
            return trio.lowlevel.Abort.FAILED

        self.call(call.begin)
        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    def call(self, function: Callable[[], object]) -> None:
        """Call `function` in the loop soon. Raises StoreUnavailable when the thread has ended."""
        if not self._open:
            raise StoreUnavailable("the store is closed")
        self.loop.call_soon_threadsafe(function)

    def tell(self, function: Callable[[], object]) -> None:
        """From the loop: call `function` in trio soon."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)

    def _main(self) -> None:
        try:
            self.loop.run_forever()
            # Cancel the remaining tasks and give them a moment to close their sockets.
            for _ in range(FAREWELLS):
                left = asyncio.all_tasks(self.loop)
                if not left:
                    break
                for task in left:
                    task.cancel()
                self.loop.run_until_complete(asyncio.wait(left, timeout=self.cancel_timeout / FAREWELLS))
            self.loop.abort_left()
            for _ in range(FAREWELLS):
                self.loop.run_until_complete(asyncio.sleep(0))  # releases the transports that were closed last
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()
            self.tell(self._ended.set)

    async def _stop(self) -> None:
        self._open = False
        self.loop.call_soon_threadsafe(self.loop.stop)
        with trio.move_on_after(self.close_timeout, shield=True):
            await self._ended.wait()


@asynccontextmanager
async def open_asyncio_thread(name: str) -> AsyncIterator[AsyncioThread]:
    """A running thread; tasks that still run in it at the end are cancelled."""
    thread = AsyncioThread(name)
    try:
        thread._thread.start()
    except RuntimeError as error:
        thread.loop.close()
        raise StoreUnavailable(f"cannot start a thread for the store: {error}") from error
    thread._open = True
    try:
        yield thread
    finally:
        await thread._stop()


class _Call:
    """One coroutine and the trio task that waits for it. `_finish` runs in trio, everything else in the loop."""

    def __init__(self, thread: AsyncioThread, start: Start[Any]) -> None:
        self._thread = thread
        self._start = start
        self._waiting: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        self._task: asyncio.Task[Any] | None = None
        self.raise_cancel: trio.lowlevel.RaiseCancelT | None = None

    def begin(self) -> None:
        self._task = self._thread.loop.create_task(self._start())
        # A callback, because a task that is cancelled before its first step never enters the coroutine.
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        assert self._task is not None  # `begin` was called before, and calls keep their order
        if not self._task.done():
            self._task.cancel()
            self._thread.loop.call_later(
                self._thread.cancel_timeout, self._report, outcome.Error(asyncio.CancelledError())
            )

    def _done(self, task: asyncio.Task[Any]) -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._report(outcome.Value(task.result()) if error is None else outcome.Error(error))

    def _report(self, result: outcome.Outcome[Any]) -> None:
        self._thread.tell(lambda: self._finish(result))

    def _finish(self, result: outcome.Outcome[Any]) -> None:
        task, self._waiting = self._waiting, None
        if task is None:
            return  # it already has its result
        if isinstance(result, outcome.Error) and isinstance(result.error, asyncio.CancelledError):
            if self.raise_cancel is not None:
                result = outcome.capture(self.raise_cancel)
            else:  # the loop is ending
                result = outcome.Error(StoreUnavailable("the store is closed"))
        trio.lowlevel.reschedule(task, result)
