"""What a messaging platform implements, and what the engine gives it.

A `Provider` makes `Link`s; a link talks to the engine through an `Inbox`. Each is as small as it can be; what only some
platforms can do are protocols of their own, and the engine asks with `isinstance`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from .errors import TerminalError
from .model import (
    Action,
    Event,
    MessageState,
    NewEvent,
    OutboundMessage,
    ProofOfLife,
    Reason,
    Receipt,
    Session,
    SessionStatus,
)


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

    def report(
        self,
        status: SessionStatus,
        reason: Reason,
        detail: str,
        *,
        action: Action = Action.NONE,
        allow: float | None = None,
    ) -> None:
        """Say what the link is doing while it connects. Never blocks.

        `allow` replaces the startup deadline by one `allow` seconds from now: a person needs longer than a socket.
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
            ProviderError: the link is broken.
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
        and tells the source, all within `ROOKERY_LINK_CLOSE_TIMEOUT` (2 s), shielded; then closes every socket.

        Raises:
            ProviderError: the connection failed.
        """


@runtime_checkable
class Probeable(Protocol):
    """A link that can be asked whether it is alive (G2)."""

    async def probe(self) -> None:
        """One round trip on the application path; returns when answered. The caller sets the deadline.

        Raises:
            ProviderError: the link is dead.
        """


@runtime_checkable
class Checkable(Protocol):
    """A link that can tell without traffic whether it looks alive."""

    async def check(self) -> None:
        """Returns when it looks alive. The caller sets the deadline.

        Raises:
            ProviderError: what looks wrong.
        """


@runtime_checkable
class LogoutCapable(Protocol):
    """A link that can end its own authorisation at the platform (D1, D3)."""

    async def logout(self) -> None:
        """Log out at the platform. The caller sets the deadline and survives every error."""


@runtime_checkable
class Named(Protocol):
    """A link that knows under which name the platform knows it."""

    @property
    def account(self) -> str:
        """For people, such as `@shop_bot`."""


@runtime_checkable
class Concurrent(Protocol):
    """A link that takes several sends at once."""

    @property
    def max_concurrent_sends(self) -> int:
        """How many; links without this take 16."""


class WorkerInfo(msgspec.Struct, frozen=True):
    """A process that a provider runs sessions in."""

    id: str
    pid: int
    sessions: tuple[str, ...]


@runtime_checkable
class WorkerHosting(Protocol):
    """A provider that runs sessions in processes of its own."""

    def workers(self) -> Sequence[WorkerInfo]:
        """Those that run now."""

    async def replace_worker(self, id: str, reason: str) -> None:
        """End this worker; its sessions reconnect in another one. Harmless when it is gone."""


class Reached(msgspec.Struct, frozen=True):
    """A platform that answered. `clock_ahead`: seconds that its clock is ahead of ours, if it told."""

    detail: str
    clock_ahead: float | None = None


@runtime_checkable
class Reachable(Protocol):
    """A provider that can tell, without a session, whether this machine can work with its platform."""

    @property
    def platform(self) -> str:
        """As in `Provider`."""

    async def reach(self) -> Reached:
        """One look at what the platform needs: its libraries, its servers. The caller sets the deadline.

        Raises:
            ProviderError: what is missing; TerminalError when waiting will not help.
        """


@runtime_checkable
class Cleanable(Protocol):
    """A provider that keeps things in memory for a session beyond the end of its link."""

    @property
    def platform(self) -> str:
        """As in `Provider`."""

    async def clean(self, running: Collection[str]) -> Collection[str]:
        """Release what belongs to sessions that are not among `running`, without waiting before it has looked. Nothing that
        is stored. Returns their ids."""


@runtime_checkable
class Pairable(Protocol):
    """A provider whose sessions are authorised by a person: QR code or pairing code."""

    def pairing(self, session: str) -> Pairing | None:
        """The code to scan now, or None when there is none."""

    async def request_pairing_code(self, session: str, phone: str) -> Pairing:
        """Ask the platform for a code to type in. Raises InvalidInput, NotConnected."""


@runtime_checkable
class Forgetful(Protocol):
    """A provider that keeps things of its own for each session, such as keys."""

    async def forget(self, session: Session) -> Mapping[str, str]:
        """Release them; the session's link is closed. Not a logout. Returns the credentials that are worth keeping.

        Raises:
            ProviderError: something is left.
        """


class MediaSink(Protocol):
    """Where a link puts the file that it fetches. Both methods raise MediaError: too large, no room."""

    @property
    def path(self) -> Path:
        """An empty file that may be written to directly, by another process too; `adopt` must follow."""

    @property
    def limit(self) -> int:
        """Bytes that it takes."""

    async def write(self, data: bytes) -> None:
        """Append."""

    async def adopt(self) -> None:
        """The file at `path` was written by somebody else."""


@runtime_checkable
class MediaFetching(Protocol):
    """A link whose events describe files that can be fetched later."""

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        """Put the file of this event into `sink`. The caller sets the deadline. Raises SendError, MediaError."""


class Pairing(Protocol):
    """A code that authorises a session until `expires_at`. `kind` says what to do with it: "qr" or "phone"."""

    @property
    def kind(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def expires_at(self) -> float: ...


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
