"""Counts the calls that one session's link handles at once."""

from __future__ import annotations

from ..provider.capabilities import Concurrent
from ..provider.contract import Link
from ..runtime.signals import Flag

DEFAULT_CONCURRENCY = 16


class Places:
    """`taken`: places of messages that are being sent, or stored as SENDING by a round. Further places are reserved for
    messages that callers store: these count as well."""

    __slots__ = ("_count", "_reserved", "_unreserved", "taken")

    def __init__(self) -> None:
        self._count = 0
        self.taken = 0
        self._reserved: dict[str, None] = {}  # a set: messages that are being stored as SENDING
        self._unreserved = Flag()

    def attach(self, link: Link) -> None:
        """From now on, count the places of this link."""
        self._count = link.max_concurrent_sends if isinstance(link, Concurrent) else DEFAULT_CONCURRENCY

    def is_free(self, *, urgent: bool = False, waiting: int = 0) -> bool:
        """Whether one more message may be handled. Urgent ones do not wait for slow sends. `waiting`: the number of chats
        that come first."""
        used = self.taken + len(self._reserved) + waiting
        return used < (self._count * 2 if urgent else self._count)

    @property
    def are_used(self) -> bool:
        """Whether any is taken or reserved."""
        return bool(self.taken or self._reserved)

    def reserve(self, id: str) -> None:
        """Reserve a place for a message. `release` must follow."""
        self._reserved[id] = None

    def release(self, id: str) -> None:
        """The message that a place was reserved for was stored, or was not."""
        self._reserved.pop(id, None)
        if not self._reserved:
            self._unreserved.set()
            self._unreserved = Flag()

    def is_reserved(self, id: str) -> bool:
        """Whether a place is reserved for this message."""
        return id in self._reserved

    async def released(self) -> None:
        """Wait until no place is reserved."""
        while self._reserved:
            await self._unreserved.wait()
