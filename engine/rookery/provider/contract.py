"""What a messaging platform implements, and what the engine gives it.

A `Provider` makes `Link`s; a link talks to the engine through an `Inbox`. Each is as small as it can be; what only some
platforms can do is in `abilities`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..errors import TerminalError
from ..model.event import NewEvent
from ..model.message import MessageState, OutboundMessage, Receipt
from ..model.session import Action, ProofOfLife, Reason, Session, SessionStatus
from .capabilities import Pairing


class LocalMedia(msgspec.Struct, frozen=True):
    """A stored file as a link sends it; `path` leads to its `size` bytes."""

    path: Path
    size: int
    content_type: str
    filename: str | None


class Inbox(Protocol):
    """The engine's side of one link. Owned by the engine; a provider never closes it."""

    @property
    def cursor(self) -> str | None:
        """The source position of the last commit, as this provider wrote it."""

    @property
    def life(self) -> ProofOfLife:
        """Fields that the provider fills as it learns them (`last_pong`, `last_inbound`, `last_ack`)."""

    @property
    def trusted_until(self) -> float:
        """Trio time until which no other instance can run this session; moves on as long as its lease is renewed. A process
        of its own that holds the connection must not hold it for longer, also when this process is frozen."""

    async def commit(self, events: Sequence[NewEvent], cursor: str | None) -> None:
        """Store the events and the cursor in one transaction; returns when both are durable.

        Events whose key is stored already are skipped. Shielded from cancellation with a deadline. Only after it returns
        may the source be told.

        Raises:
            LeaseLost: another owner runs this session; nothing was written.
            StoreUnavailable: nothing is known to be written; committing the same again is safe.
        """

    async def save_credentials(self, credentials: Mapping[str, str]) -> None:
        """Store changed credentials (encrypted); returns when durable (E3). Raises like `commit`."""

    async def occupy(self, account: str) -> str | None:
        """Before connecting to an account that only one session may run, on whatever instance: claim it for this one.

        Returns None, or the id of the session that runs it already. It is let go with the session's lease. Raises like
        `commit`."""

    def report(
        self,
        status: SessionStatus,
        reason: Reason,
        detail: str,
        *,
        action: Action = Action.NONE,
        allow: float | None = None,
        code: Pairing | None = None,
    ) -> None:
        """Say what the link is doing while it connects. Never blocks.

        `code` is a new one that a person has to scan or type: it becomes an event of its own. `allow` replaces the startup
        deadline by one `allow` seconds from now: a person needs longer than a socket.
        """

    async def confirm(self, message_ids: Collection[str], state: MessageState) -> None:
        """Receivers have got (DELIVERED) or read (READ) messages that this session sent, by the platform's ids. Unknown ids
        are passed over. Raises like `commit`, except that a store which does not answer is passed over too."""

    def media(self, id: str) -> AbstractAsyncContextManager[LocalMedia]:
        """The stored file that a message names, as a file on this machine inside the block. Raises Rejected when it is gone,
        NotConnected when it cannot be had now."""

    def beat(self, waited: float | None = None) -> None:
        """Proof of life: the peer answered just now, to a poll for events `waited` seconds ago if it was one."""


class Link(Protocol):
    """One connected session. Lives inside `Provider.open_link`, which closes it."""

    async def run(self) -> None:
        """Receive until the peer hangs up.

        Raises:
            ProviderError: why the link ended; `TerminalError` when it must not be tried again.
        """

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message. Called from the session's own task, several at once for different chats.

        Raises:
            SendError: the message failed, the link goes on.
            TerminalError: the platform refuses the session itself. Nothing was sent: the message waits, and the link ends
                with this error.
            ProviderError: the link is broken; the message may or may not have been sent.
        """


class Provider(Protocol):
    """One platform. Entered by the engine before the first link and left after the last."""

    @property
    def platform(self) -> str:
        """The name in `Session.platform`."""

    def running(self) -> AbstractAsyncContextManager[object]:
        """What all links share (certificates, worker processes), while the engine runs."""

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Look at a session's input before it is stored, without I/O.

        Raises:
            InvalidInput: names what is wrong and what would be right.
        """

    def open_link(self, session: Session, inbox: Inbox) -> AbstractAsyncContextManager[Link]:
        """Connect; the block's body runs connected. Leaving it (also cancelled) stops receiving, commits what was received
        and tells the source, all within `link_close_timeout` (2 s), shielded; then closes every socket.

        Raises:
            ProviderError: the connection failed.
        """


class MissingProvider:
    """Stands in for a platform that is not installed: its sessions end with a reason instead of being passed over."""

    def __init__(self, platform: str) -> None:
        self.platform = platform

    def running(self) -> AbstractAsyncContextManager[object]:
        """Nothing to share."""
        return nullcontext()

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Accepts everything; the link will tell."""

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[Link]:
        """Raises TerminalError, always."""
        raise TerminalError(
            f"no provider for the platform {self.platform!r} is installed here",
            reason=Reason.UNKNOWN_PLATFORM,
            action=Action.FIX_CONFIGURATION,
        )
        yield
