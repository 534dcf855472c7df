"""Turns the stored history of a newly linked phone into events, a slice at a time, beside the ordinary messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

import trio

from rookery.errors import ProviderError, Rejected, SendError
from rookery.log import get_logger
from rookery.model.event import NewEvent

from ..device.devices import DeviceStore
from ..worker_pool.port import ClientPort

BATCH = 100
"""Maximum number of events in one transaction: an ordinary message waits for at most one."""

REST = 1.0
"""After each slice the reader pauses for this multiple of the time it worked, so that it uses at most half of the worker."""

RETRY = 2.0  # seconds

log = get_logger("SESSION")


class HistoryReader:
    """Reads one session's slices in order. A slice is removed only after its events are stored, so a restart continues with
    it; events that are already stored are recognised by their keys and skipped."""

    def __init__(self, session: str, devices: DeviceStore, commit: Callable[[list[NewEvent]], Awaitable[None]]) -> None:
        self._session = session
        self._devices = devices
        self._commit = commit
        self._news = trio.Event()

    def came(self) -> None:
        """Note that slices were stored."""
        self._news.set()

    async def run(self, port: ClientPort) -> NoReturn:
        """Read until cancelled. Raises the errors of a commit."""
        done: int | None = None
        while True:
            self._news = trio.Event()
            try:
                found = await self._devices.next_history(self._session, done)
                done = None
                if found is None:
                    await self._news.wait()
                    continue
                done, data = found
                started = trio.current_time()
                await self._read(port, data)
                await trio.sleep(REST * (trio.current_time() - started))
            except Rejected as error:
                log.warning("a part of the history is unreadable", session=self._session, error=str(error))
            except (ProviderError, SendError) as error:
                done = None
                log.warning("reading the history is delayed", session=self._session, error=str(error))
                await trio.sleep(RETRY)

    async def _read(self, port: ClientPort, data: bytes) -> None:
        rows = await port.call("describe_history", data=data)
        for start in range(0, len(rows), BATCH):
            await self._commit(
                [
                    NewEvent(key, type, at, chat, sender, body, raw)
                    for type, key, at, chat, sender, body, raw in rows[start : start + BATCH]
                ]
            )
