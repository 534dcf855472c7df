"""Shared base of routes over asyncio libraries: one connection, opened on demand and again after a failure."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import trio

from ...model.webhook import Delivery
from ...runtime.asyncio_thread import AsyncioThread, Connections
from ..transports.transport import Attempt
from .commands import CommandSource
from .target import BrokerAddress
from .words import words_of

T = TypeVar("T")
CLOSE_SECONDS = 1.0
"""Seconds that a connection has to close cleanly."""


class Opened(CommandSource, Protocol):
    """A source of commands with a connection."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def opened(source: Opened, seconds: float) -> AsyncIterator[CommandSource]:
    """Opens the source within this time and closes its connection at the end of the block, also after a failure."""
    try:
        with trio.fail_after(seconds):
            await source.open()
        yield source
    finally:
        with trio.move_on_after(CLOSE_SECONDS, shield=True), contextlib.suppress(Exception):
            await source.aclose()


async def unless(closed: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, but stop when the connection closes; the library would wait until its own timeout."""
    task, end = asyncio.ensure_future(work), asyncio.ensure_future(closed.wait())
    try:
        await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionResetError("the connection to the broker was lost")
        return await task
    finally:
        end.cancel()
        task.cancel()


class AsyncioRoute(ABC):
    """Implements `Route`. Connecting, publishing and closing run in the asyncio thread; `deliver` is called from Trio."""

    def __init__(self, thread: AsyncioThread, address: BrokerAddress, target: str, seconds: float) -> None:
        self.address = address
        self.target = target
        self.seconds = seconds
        self._thread = thread
        self._connection: Any = None
        self._connecting: asyncio.Lock | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._opened = Connections()

    @abstractmethod
    async def connect(self) -> Any:
        """In the loop: return a connection that is ready to publish."""

    @abstractmethod
    async def publish(self, connection: Any, delivery: Delivery) -> None:
        """In the loop: return when the broker has confirmed the event."""

    @abstractmethod
    async def disconnect(self, connection: Any) -> None:
        """In the loop: close the connection. Errors are ignored."""

    @abstractmethod
    def is_open(self, connection: Any) -> bool:
        """In the loop: whether the connection can still be used."""

    @abstractmethod
    def breaks(self, error: Exception) -> bool:
        """True for an error after which the connection must be reopened."""

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """See `Route.deliver`."""
        with trio.move_on_after(self.seconds) as scope:
            try:
                await self._thread.run(lambda: self._deliver(delivery))
            except Exception as error:  # any error that a broker makes a library raise is one failed delivery
                return Attempt(False, words_of(error, self.address))
            return Attempt(True)
        assert scope.cancelled_caught
        return Attempt(False, f"the broker did not confirm it within {self.seconds:g} s")

    async def aclose(self) -> None:
        """Close the connection within a bounded time."""
        with trio.move_on_after(CLOSE_SECONDS, shield=True), contextlib.suppress(Exception):
            await self._thread.run(self._drop)

    async def _deliver(self, delivery: Delivery) -> None:
        connection = await self._connected()
        try:
            await self.publish(connection, delivery)
        except asyncio.CancelledError:  # no confirmation in time: the connection may lead nowhere
            if connection is self._connection:
                closing = asyncio.create_task(self._drop())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            raise
        except Exception as error:
            if self.breaks(error) and connection is self._connection:
                await self._drop()
            raise

    async def _connected(self) -> Any:
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:  # lanes that start together share one attempt
            if self._connection is not None and not self.is_open(self._connection):
                await self._drop()
            if self._connection is None:
                self._opened = opened = Connections()  # an older one may still be saying goodbye
                try:
                    with opened.noted():
                        self._connection = await self.connect()
                except BaseException:
                    opened.abort()
                    raise
            return self._connection

    async def _drop(self) -> None:
        connection, opened, self._connection = self._connection, self._opened, None
        if connection is not None:
            try:
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await self.disconnect(connection)
            finally:  # also when whoever waits for it has lost patience
                opened.abort()
