"""Shared base of sources of commands over asyncio libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...runtime.asyncio_thread import AsyncioThread, Connections
from .commands import Command, CommandOutcome


class AsyncioCommands(ABC):
    """Implements `CommandSource` but for what the broker's library does. The public methods are called from Trio and run
    everything else in the asyncio thread.

    `connect` opens the connection, which `aclose` closes.
    """

    def __init__(self, thread: AsyncioThread, connect: Callable[[], Awaitable[Any]], *, may_create: bool) -> None:
        self._thread = thread
        self._connect = connect
        self._may_create = may_create
        self._connection: Any = None
        self._opened = Connections()

    async def open(self) -> None:
        """Connect and start to read."""
        await self._thread.run(self._begin)

    async def aclose(self) -> None:
        """Close the connection; the broker keeps unacknowledged commands."""
        await self._thread.run(self._end)

    async def fetch(self, limit: int, seconds: float) -> Sequence[Command]:
        """See `CommandSource.fetch`."""
        found: Sequence[Command] = await self._thread.run(lambda: self._fetch(limit, seconds))
        return found

    async def settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None:
        """See `CommandSource.settle`."""
        await self._thread.run(lambda: self._settle(settled))

    async def _begin(self) -> None:
        with self._opened.noted():
            await self._open()

    async def _end(self) -> None:
        try:
            if self._connection is not None:
                await self._close()
        finally:
            self._opened.abort()

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    async def _fetch(self, limit: int, seconds: float) -> Sequence[Command]: ...

    @abstractmethod
    async def _settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None: ...
