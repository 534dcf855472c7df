"""Outbound messages in a store: queued, recorded, scheduled, cancelled and listed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ...errors import RookeryError
from ...model.message import MessageQuery, OutboundMessage, Recorded, SendOutcome, Unfinished
from ...model.session import Lease


class MessageStore(Protocol):
    """Outbound messages."""

    async def enqueue(
        self, message: OutboundMessage, *, pending_limit: int, lease: Lease | None = None
    ) -> tuple[OutboundMessage, bool]:
        """Insert the message and return it as stored with True, or the earlier one with the same (session, idempotency
        key) with False.

        The message may come in state QUEUED, SENDING or SCHEDULED; scheduled ones are counted separately. SENDING is
        stored only while `lease` is held; otherwise the message is stored as QUEUED, for the session's owner.

        Raises NotFound (session), Busy (`pending_limit` messages of the session are in progress), InvalidInput when the
        key was used for a different request. Where several engines accept messages for one session, they can exceed the
        limit together, see `SendRoom`.
        """

    async def enqueue_batch(
        self, messages: Sequence[OutboundMessage], *, pending_limit: int, lease: Lease | None = None
    ) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
        """`enqueue` for several messages of one session in one transaction. Returns, in order, what `enqueue` would
        return for each, or its error; a refused message is not stored, the others are. Raises NotFound (session)."""

    async def get_message(self, id: str) -> OutboundMessage:
        """Raises NotFound."""

    async def pending_messages(
        self, lease: Lease, *, exclude: Collection[str], limit: int
    ) -> Sequence[OutboundMessage]:
        """The oldest QUEUED messages of the session whose ids are not in `exclude`; fewer than `limit` are all. Those that
        cannot be read become FAILED. Raises LeaseLost."""

    async def pending_calls(self, lease: Lease, *, limit: int) -> Sequence[tuple[str, str]]:
        """Ids and methods of the session's QUEUED calls of platform methods, the newest first. Whether the lease is held
        is not checked: this reads, and beginning a call needs the lease."""

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        """Write states. A final state is not overwritten by SENDING. Returns the messages whose state was refused.
        Raises LeaseLost.

        Here and below `announce` writes an event for each final state, see `model.message.STATUS_EVENT`. Without it, the
        event is written only if an enabled webhook asks for this type by name.
        """

    async def resolve_interrupted(
        self, lease: Lease, *, now: float, announce: bool = False, only: Collection[str] | None = None
    ) -> Sequence[str]:
        """Set messages in SENDING (only these ids, if `only` is given) to UNKNOWN: an earlier owner died while it was
        sending them. Returns their ids. Raises LeaseLost."""

    async def unfinished_sends(self, owner: str) -> Mapping[str, Unfinished]:
        """The messages in progress, by the id of each session that `owner` runs; sessions without any are left out."""

    async def expire_messages(self, *, now: float, limit: int = 1000, announce: bool = False) -> int:
        """Set up to `limit` QUEUED messages past `expires_at`, of all sessions, to EXPIRED. Returns their number."""

    async def prune_messages(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` messages in a final state that were last updated before `before`."""

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        """Messages, each with its number. Raises NotFound (session)."""

    async def cancel_message(self, id: str, *, now: float, announce: bool = False) -> tuple[OutboundMessage, bool]:
        """Set a waiting message (QUEUED or SCHEDULED) to CANCELLED. Returns the message, and whether it is cancelled,
        now or earlier. Raises NotFound."""

    async def release_scheduled(self, *, now: float, limit: int = 1000) -> Sequence[str]:
        """Set up to `limit` SCHEDULED messages of all sessions whose time has come to QUEUED, the longest due first.
        Returns the session id of each."""

    async def find_sent(self, lease: Lease, platform_ids: Collection[str]) -> Mapping[str, str]:
        """Our ids of the session's SENT and DELIVERED messages by the platform's ids; unknown ids are left out."""

    async def count_waiting(self) -> Mapping[str, int]:
        """How many messages are QUEUED or SENDING, by session; sessions without any are left out."""

    async def next_scheduled_at(self) -> float | None:
        """When the first scheduled message is due."""
