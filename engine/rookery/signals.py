"""Wake-ups between tasks of one engine. They carry no data: whoever wakes looks at the store, which is the truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Signal:
    """Something changed. Any number of tasks may wait; a change between two looks is never missed if the waiter
    takes `version` before it looks and then waits for a newer one."""

    def __init__(self) -> None:
        self.version = 0
        self._event = trio.Event()

    def fire(self) -> None:
        """Wake everybody who waits. Never blocks."""
        self.version += 1
        self._event.set()
        self._event = trio.Event()

    async def newer_than(self, version: int) -> None:
        """Return as soon as `version` is outdated, at once if it is already."""
        if self.version == version:
            await self._event.wait()
        else:
            await trio.lowlevel.checkpoint()


class Signals:
    """The wake-ups of one engine."""

    def __init__(self) -> None:
        self.events = Signal()  # the event log grew
        self.sessions = Signal()  # a stored session changed
        self.webhooks = Signal()  # webhooks or their dead letters changed
        self._messages: dict[str, tuple[Signal, int]] = {}  # with the number of those who watch

    def message_changed(self, id: str) -> None:
        """Wake those who wait for this outbound message."""
        if watched := self._messages.get(id):
            watched[0].fire()

    @contextmanager
    def watch(self, id: str) -> Iterator[Signal]:
        """The signal of one outbound message, for as long as somebody watches."""
        signal, watchers = self._messages.get(id, (Signal(), 0))
        self._messages[id] = (signal, watchers + 1)
        try:
            yield signal
        finally:
            watchers = self._messages[id][1] - 1
            if watchers:
                self._messages[id] = (signal, watchers)
            else:
                del self._messages[id]
