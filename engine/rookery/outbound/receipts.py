"""Matches receipts from the receivers with our sends: SENT becomes DELIVERED, then READ (F4).

A receipt names the platform's message id; the store knows ours. The mapping is kept in memory for a session's latest
sends; for older ones, and those from before a restart, the store is queried.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping

from ..model.message import MessageState

REMEMBERED = 2000
"""Number of sends per session whose receipts are matched without querying the store."""

EARLY = 256
"""Number of receipts kept for sends whose own answer has not arrived yet."""

Record = Callable[[str, MessageState], Awaitable[object]]
Find = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]


class Confirmations:
    """One per session. `record` stores a new state of a message by our id; `find` finds our ids by the platform's."""

    __slots__ = ("_early", "_find", "_record", "_sent")

    def __init__(self, record: Record, find: Find) -> None:
        self._record = record
        self._find = find
        # None until the first one: an empty dictionary of this kind takes 0.2 KiB of every idle session.
        self._sent: OrderedDict[str, str] | None = None
        self._early: OrderedDict[str, MessageState] | None = None

    def sent(self, platform_id: str, id: str) -> MessageState | None:
        """The message `id` is stored as SENT, and the platform calls it `platform_id`. Returns the state of a receipt
        that came before, which is to be recorded now."""
        if self._sent is None:
            self._sent = OrderedDict()
        self._sent[platform_id] = id
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)
        return self._early.pop(platform_id, None) if self._early else None

    async def confirm(self, platform_ids: Collection[str], state: MessageState) -> None:
        """The receivers have got or read these messages; messages that were not sent from here are skipped."""
        forgotten = [platform_id for platform_id in platform_ids if self._sent is None or platform_id not in self._sent]
        found = await self._find(forgotten) if forgotten else {}
        for platform_id in platform_ids:
            sent = None if self._sent is None else self._sent.get(platform_id)
            if id := sent or found.get(platform_id):
                await self._record(id, state)
                continue
            early = self._early = self._early or OrderedDict()
            if early.get(platform_id) is not MessageState.READ:
                early[platform_id] = state
                if len(early) > EARLY:
                    early.popitem(last=False)
