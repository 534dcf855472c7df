"""Sends beyond the queue: scheduled ones, cancelled ones, lists of them, and their states as events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from ...model import Lease, MessageState, OutboundMessage

STATUS_EVENT = "message.status"
"""The type of an event that tells the state of a send. It reaches only those who ask for this type by name."""

STATUS_EPOCH = -1
"""Keeps the keys of such events apart from those of a platform."""


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sends of a session to list, newest first; `before` is the number of the last one seen.

    `since` (inclusive) and `until` (exclusive) are about the time of acceptance, seconds since the epoch.
    """

    session: str
    states: tuple[MessageState, ...] | None = None
    chat: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None
    limit: int = 100


class Recorded(msgspec.Struct, frozen=True):
    """What became of a write of states."""

    refused: frozenset[str] = frozenset()
    """Messages whose state was not written: they are in a final one, as cancelled, or gone."""
    announced: bool = False
    """Events were written, perhaps, that only this process knows of yet."""


class OutgoingStore(Protocol):
    """Part of every store, with its promises."""

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        """With the number of each. Raises NotFound (session)."""

    async def cancel_message(self, id: str, *, now: float, announce: bool = False) -> tuple[OutboundMessage, bool]:
        """A message that waits (QUEUED or SCHEDULED) becomes CANCELLED. Returns it, and whether it is cancelled, now or
        before. Raises NotFound."""

    async def release_scheduled(self, *, now: float) -> Collection[str]:
        """SCHEDULED messages whose time has come become QUEUED, of all sessions. Returns the ids of these sessions."""

    async def find_sent(self, lease: Lease, platform_ids: Collection[str]) -> Mapping[str, str]:
        """Our ids of the session's SENT and DELIVERED messages by the platform's ids; those that are not found are left
        out."""

    async def next_scheduled_at(self) -> float | None:
        """When the first scheduled message is due."""
