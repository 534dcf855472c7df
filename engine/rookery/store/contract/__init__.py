"""What the engine needs of a store, and what every store promises.

Promises, checked by one conformance suite on all of them (`tests/store`):

- Each method is one transaction: it happened completely or not at all, and it is durable when it returns (it survives
  `kill -9` of this process).
- A method that is cancelled may have happened. Every write is idempotent or fenced, so the caller may repeat it.
- Writes that take a `Lease` change nothing and raise `LeaseLost` when the session has another owner or fence.
- Event ids grow in the order in which readers see them: a reader that has seen id N never finds a new event below N.
- Secrets (credentials, webhook secrets) are encrypted before they reach the disk.
- Errors of the database arrive as `StoreError`; nothing else escapes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from ...model import (
    Event,
    Health,
    Lease,
    MessageState,
    NewEvent,
    OutboundMessage,
    Receipt,
    Session,
    SessionStatus,
    Transition,
)
from ...model.key import KeyStore
from ...model.media import MediaStore
from .cluster import DutyStore, InstanceStore
from .outgoing import OutgoingStore, Recorded
from .webhook_facts import WebhookFactsStore
from .webhooks import DeliveryStore

HISTORY_LENGTH = 50
"""Status changes kept per session (A3)."""


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sessions to list; ordered by id, `after` is exclusive."""

    platform: str | None = None
    status: SessionStatus | None = None
    enabled: bool | None = None
    ids: tuple[str, ...] | None = None
    owner: str | None = None
    after: str | None = None
    limit: int = 100


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to read; ordered by id, `after` is exclusive."""

    after: int = 0
    session: str | None = None
    sessions: tuple[str, ...] | None = None  # any of these; what one caller may see
    types: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()  # none of these types
    limit: int = 100


class SessionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an operator changes; `UNSET` leaves a column as it is."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    credentials: Mapping[str, str] | msgspec.UnsetType = msgspec.UNSET
    settings: Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    metadata: Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    command: bool = False  # commands += 1
    restart: bool = False  # restarts += 1 (and commands += 1)


class StatusWrite(msgspec.Struct, frozen=True):
    """One observed status of a leased session; `heeded` is the `commands` count that it took into account."""

    lease: Lease
    health: Health
    heeded: int


class SendOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A new state of an outbound message, written by the session's owner."""

    id: str
    state: MessageState
    at: float
    receipt: Receipt | None = None
    error: str | None = None


class SessionStore(Protocol):
    """Sessions, their leases and their history."""

    async def create_session(self, session: Session) -> Session:
        """Insert; the store assigns `uid`. Raises AlreadyExists."""

    async def get_session(self, id: str) -> Session:
        """Raises NotFound."""

    async def list_sessions(self, query: SessionQuery) -> Sequence[Session]: ...

    async def count_sessions(self) -> Mapping[tuple[str, str, bool], int]:
        """How many there are by (platform, status, enabled)."""

    async def update_session(self, id: str, change: SessionChange, *, now: float) -> Session:
        """Write operator columns. Raises NotFound."""

    async def delete_session(self, id: str) -> bool:
        """Remove the row with its history, outbound messages and own webhooks (and their deliveries). Its events stay in
        the log until they are pruned. False when there was none. A running owner finds out by `LeaseLost`."""

    async def history(self, id: str) -> Sequence[Transition]:
        """The last `HISTORY_LENGTH` status changes, newest first. Raises NotFound."""

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        """Take up to `limit` wanted sessions that nobody holds, in one statement: owner and expiry set, `fence` + 1.

        `only` restricts it to these ids. Expired leases of others count as free. Ordered by id. A shared store uses its
        own clock instead of `now`.
        """

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        """Extend the leases; returns the sessions that are still held. The others are lost."""

    async def release(self, lease: Lease, *, lost: bool = False) -> None:
        """Give the lease back; a stale one changes nothing and raises nothing. `lost`: it was not kept in time,
        which the next claim tells (`Session.taken_from`), whoever makes it."""

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]:
        """Write statuses in order, each with a history row when status or reason changed. Returns the session ids whose
        lease was stale (those writes changed nothing). A later status of the same session in `writes` wins; all of them
        are in the history."""

    async def save_credentials(self, lease: Lease, credentials: Mapping[str, str]) -> None:
        """Replace the credentials. Raises LeaseLost."""

    async def occupy(self, lease: Lease, account: str) -> str | None:
        """Note which account of its platform the session runs. Returns the id of another session that is held and runs the
        same one, and notes nothing then; of those that ask at the same moment one gets it. Raises LeaseLost."""


class EventStore(Protocol):
    """The event log."""

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        """Insert the events that are new by (uid, epoch, key), one delivery per matching enabled webhook, and the cursor
        (unless None). Returns the number inserted. Raises LeaseLost."""

    async def read_events(self, query: EventQuery) -> Sequence[Event]: ...

    async def last_event_id(self) -> int:
        """The newest id, 0 when the log is empty."""

    async def prune_events(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` events stored before `before` that no delivery needs; returns how many.

        Dead letters that were given up before `before` go first, so that they do not keep their events for ever.
        """


class MessageStore(Protocol):
    """Outbound messages."""

    async def enqueue(self, message: OutboundMessage, *, pending_limit: int) -> tuple[OutboundMessage, bool]:
        """Insert, or return the earlier one with the same (session, idempotency key) and False.

        The message may come in state QUEUED, SENDING or SCHEDULED; the scheduled are counted apart.

        Raises NotFound (session), Busy (more than `pending_limit` of the
        session are under way), InvalidInput when the key was used for a different request.
        """

    async def get_message(self, id: str) -> OutboundMessage:
        """Raises NotFound."""

    async def pending_messages(
        self, lease: Lease, *, exclude: Collection[str], limit: int
    ) -> Sequence[OutboundMessage]:
        """The oldest QUEUED messages of the session whose ids are not in `exclude`. Raises LeaseLost."""

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        """Write states. A final state is not overwritten by SENDING; whose state was not written is told. Raises LeaseLost.

        Here and below `announce` writes an event for each final state, see `outgoing.STATUS_EVENT`; without it only if an
        enabled webhook asks for this type by name.
        """

    async def resolve_interrupted(self, lease: Lease, *, now: float, announce: bool = False) -> Sequence[str]:
        """Messages in SENDING become UNKNOWN: an earlier owner died with them in its hands. Returns their ids."""

    async def expire_messages(self, *, now: float, announce: bool = False) -> int:
        """QUEUED messages past `expires_at` become EXPIRED, of all sessions."""

    async def prune_messages(self, *, before: float, limit: int) -> int:
        """Delete up to `limit` messages in a final state that were last updated before `before`."""


class Store(
    SessionStore,
    KeyStore,
    EventStore,
    MessageStore,
    OutgoingStore,
    MediaStore,
    DeliveryStore,
    WebhookFactsStore,
    DutyStore,
    InstanceStore,
    Protocol,
):
    """Everything; opened by `open`, closed by leaving it."""

    @property
    def shared(self) -> bool:
        """True when several engines may use it at once: leases expire and have to be renewed."""

    @property
    def location(self) -> str:
        """Where the state lives, for people; without passwords."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """Connect, migrate, check the secret key. On a store that is not shared, leases of earlier owners are void.

        Raises DataDirectoryInUse, SecretKeyError, StoreUnavailable, StoreError.
        """
