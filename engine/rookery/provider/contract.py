"""What a messaging platform implements, and what the engine gives it.

A `Provider` makes `Link`s; a link talks to the engine through an `Inbox`. Each is as small as possible; optional
abilities of platforms are in `capabilities`.
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
    """A stored file for a link to send; `path` leads to its `size` bytes."""

    path: Path
    size: int
    content_type: str
    filename: str | None


class Recalled(msgspec.Struct, frozen=True):
    """A message of the log. `content` is the body of an event, or the content of a send as JSON has it."""

    sender: str | None  # None: sent by this session
    content: Mapping[str, Any]
    raw: Any = None  # of an event: the platform's own document


class Inbox(Protocol):
    """The engine's side of one link. Owned by the engine; a provider never closes it."""

    @property
    def cursor(self) -> str | None:
        """The source position of the last commit, as this provider wrote it."""

    @property
    def life(self) -> ProofOfLife:
        """Fields that the provider fills as it learns them (`last_pong`, `last_inbound`, `last_ack`), and
        `last_probe` with its latency when the link opens with such a round trip."""

    @property
    def trusted_until(self) -> float:
        """Trio time until which no other instance can run this session; it moves forward as long as the lease is
        renewed. A separate process that holds the connection must not hold it any longer, even when this process is
        frozen."""

    def now(self) -> float:
        """The engine's time, in seconds since the epoch: the database's where several engines share it. A provider
        compares times that it stores with this, never with its machine's own clock."""

    async def commit(self, events: Sequence[NewEvent], cursor: str | None) -> None:
        """Store the events and the cursor in one transaction; returns when both are durable.

        Events whose key is already stored are skipped. Shielded from cancellation with a deadline. The link may
        acknowledge the events to the source only after this returns.

        Raises:
            LeaseLost: another owner runs this session; nothing was written.
            StoreUnavailable: it is unknown whether anything was written; committing the same again is safe.
        """

    async def save_credentials(self, credentials: Mapping[str, str]) -> None:
        """Store changed credentials (encrypted); returns when durable (E3). Raises like `commit`."""

    async def occupy(self, account: str) -> str | None:
        """Claim an account that only one session may run, on any instance, for this session. Call it before connecting
        to that account.

        Returns None, or the id of the session that already runs the account. The claim ends with the session's lease.
        Raises like `commit`.
        """

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
        """Report what the link is doing while it connects. Never blocks.

        `code` is a new code that a person has to scan or type: it becomes a separate event. `allow` replaces the
        startup deadline with one `allow` seconds from now: a person needs longer than a socket.
        """

    async def confirm(self, message_ids: Collection[str], state: MessageState) -> None:
        """Receivers have got (DELIVERED) or read (READ) messages that this session sent, by the platform's ids. Unknown
        ids are ignored. Raises like `commit`, except that an unavailable store is ignored too."""

    def media(self, id: str) -> AbstractAsyncContextManager[LocalMedia]:
        """The stored file that a message names, as a local file inside the block. Raises Rejected when the file is
        gone, NotConnected when it is unavailable now."""

    async def recall(self, chat: str, message_id: str) -> Recalled | None:
        """One of the last few hundred messages of a chat, by the platform's id; None when it is older, or unknown. Raises
        StoreError."""

    async def has_messages(self, chat: str) -> bool:
        """True when the log has a message of this chat, or a send to it that left. Raises StoreError."""

    def beat(self, waited: float | None = None) -> None:
        """Proof of life: the peer answered just now. If this answers a poll for events, `waited` is the poll's duration
        in seconds."""


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
            SendError: the message failed; the link continues.
            TerminalError: the platform refuses the session itself. Nothing was sent: the message waits, and the link ends
                with this error.
            ProviderError: the link is broken; the message may or may not have been sent.
        """


class Provider(Protocol):
    """One platform. The engine enters it before the first link and leaves it after the last."""

    @property
    def platform(self) -> str:
        """The name in `Session.platform`."""

    def running(self) -> AbstractAsyncContextManager[object]:
        """Resources that all links share (certificates, worker processes), while the engine runs."""

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Check a session's input before it is stored, without I/O.

        Raises:
            InvalidInput: names what is wrong and what would be right.
        """

    def open_link(self, session: Session, inbox: Inbox) -> AbstractAsyncContextManager[Link]:
        """Connect; the block's body runs connected. Leaving it (also when cancelled) stops receiving, commits what was
        received and acknowledges it to the source, all within `link_close_timeout` (2 s), shielded; then closes every
        socket.

        Raises:
            ProviderError: the connection failed.
        """


class MissingProvider:
    """Stands in for a platform that is not installed: its sessions end with a reason instead of being ignored."""

    def __init__(self, platform: str) -> None:
        self.platform = platform

    def running(self) -> AbstractAsyncContextManager[object]:
        """Nothing is shared."""
        return nullcontext()

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Accepts everything; opening the link reports the problem."""

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[Link]:
        """Always raises TerminalError."""
        raise TerminalError(
            f"no provider for the platform {self.platform!r} is installed here",
            reason=Reason.UNKNOWN_PLATFORM,
            action=Action.FIX_CONFIGURATION,
        )
        yield
