"""What the engine needs from a store, and what every store promises.

Promises, checked by one conformance suite on all of them (`tests/store`):

- Each method is one transaction: it happens completely or not at all, and it is durable when it returns (it survives
  `kill -9` of this process).
- A cancelled method may have taken effect. Every write is idempotent or fenced, so the caller may repeat it.
- Writes that take a `Lease` change nothing and raise `LeaseLost` when the session has another owner or fence.
- Event ids grow in the order in which readers see them: a reader that has seen id N never finds a new event below N.
- Secrets (credentials, webhook secrets) are encrypted before they reach the disk.
- Errors of the database arrive as `StoreError`; nothing else escapes.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from .chats import ChatStore
from .duties import DutyStore
from .events import EventStore
from .instances import InstanceStore
from .keys import KeyStore
from .media import MediaStore
from .messages import MessageStore
from .sessions import SessionStore
from .webhooks import WebhookFactsStore, WebhookStore


class Store(
    SessionStore,
    KeyStore,
    EventStore,
    MessageStore,
    MediaStore,
    WebhookStore,
    ChatStore,
    WebhookFactsStore,
    DutyStore,
    InstanceStore,
    Protocol,
):
    """The complete store. Open it with `open`; leaving that block closes it."""

    close_by: float
    """Trio time by which leaving `open` must be finished: work that has not answered by then is abandoned. Set by the
    engine."""

    installation: str
    """A random name that was made with the database: 32 hexadecimal digits. Known while the store is open."""

    @property
    def shared(self) -> bool:
        """True when several engines may use the store at once: leases expire and must be renewed."""

    @property
    def location(self) -> str:
        """Where the state is stored, for people; without passwords."""

    async def check_writable(self) -> None:
        """Write a few bytes: a store that can be read may still be full. Raises StoreError."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """Connect, migrate, check the secret key. On a store that is not shared, leases of earlier owners become void.

        Raises DataDirectoryInUse, SecretKeyError, StoreUnavailable, StoreError.
        """
