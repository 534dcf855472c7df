"""What a link may do beside sending and receiving: each ability is a protocol of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ...model.directory import Question
from ...model.event import Event


@runtime_checkable
class Probeable(Protocol):
    """A link that can be probed for life (G2)."""

    async def probe(self) -> None:
        """Make one round trip on the application path; return when it is answered. The caller sets the deadline.

        Raises:
            ProviderError: the link is dead.
        """


@runtime_checkable
class SelfProving(Protocol):
    """A `Probeable` link whose ordinary traffic has answers on the application path, such as those of a long poll: it
    needs few probes."""

    @property
    def answered_at(self) -> float:
        """Trio time of the latest such answer; -inf before the first."""


@runtime_checkable
class Checkable(Protocol):
    """A link that can tell, without traffic, whether it looks alive."""

    async def check(self) -> None:
        """Returns when it looks alive. The caller sets the deadline.

        Raises:
            ProviderError: what looks wrong.
        """


@runtime_checkable
class SelfAware(Protocol):
    """A link that knows at once, without asking anything, whether it looks alive. Such a link needs no `check`."""

    def fault(self) -> str | None:
        """What looks wrong; None when it looks alive."""


@runtime_checkable
class Waiting(Protocol):
    """A link whose library reconnects on its own, after pauses that the library chooses."""

    @property
    def waiting(self) -> bool:
        """True while the link has no connection; an operator's "retry now" then replaces the link."""


@runtime_checkable
class LogoutCapable(Protocol):
    """A link that can end its own authorisation at the platform (D1, D3)."""

    async def logout(self) -> None:
        """Log out at the platform. The caller sets the deadline and survives every error."""


@runtime_checkable
class Named(Protocol):
    """A link that knows its account's name at the platform."""

    @property
    def account(self) -> str:
        """The name for people, such as `@shop_bot`."""


@runtime_checkable
class Concurrent(Protocol):
    """A link that accepts several sends at once."""

    @property
    def max_concurrent_sends(self) -> int:
        """How many sends; links without this property accept 16."""


@runtime_checkable
class Paced(Protocol):
    """A link whose platform requires pauses between messages."""

    def ready_in(self, chat: str) -> float:
        """Seconds until the next message to this chat may leave; 0 when it may leave now."""

    def book(self, chat: str) -> float:
        """Book this chat's next turn; returns the seconds until it comes."""


@runtime_checkable
class MethodCalling(Protocol):
    """A link whose platform's methods can be called by name."""

    async def call(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Call the method once, outside the queue of sends; returns the result as JSON. Bounds its own time.

        Raises:
            CallRefused, NotFound (no such method): the platform refused.
            SendRateLimited, NotConnected: nothing happened; the call may be retried.
            OutcomeUnknown: the call was sent and no answer came.
        """


@runtime_checkable
class ServerLeaving(Protocol):
    """A link whose platform lets an account move to another server of the same kind."""

    async def leave_server(self, how: str | None) -> None:
        """Store the updates that the server still holds, then leave it; the link receives nothing afterwards. `how` is
        one of the platform's ways to leave; None is the usual one. Bounds its own time.

        Raises:
            InvalidInput: there is no such way.
            CallRefused, SendRateLimited, NotConnected: the session stays where it is.
            OutcomeUnknown: the server may have released the account.
        """


@runtime_checkable
class Directory(Protocol):
    """A link that can answer questions about people, groups, channels and the account. Its provider declares this with
    `has_directory = True`."""

    async def ask(self, question: Question) -> Any:
        """The answer, of the type that `model.directory.ANSWERS` names. The caller sets the deadline.

        Raises:
            InvalidInput: an invalid address, or a question that the platform does not support.
            PlatformRefused: the platform said no; nothing has changed.
            NotConnected, SendRateLimited: nothing has happened; the question may be asked again.
            OutcomeUnknown: the question was sent and no answer came.
        """


class MediaSink(Protocol):
    """Where a link puts the file that it fetches. Both methods raise MediaError: too large, or no room."""

    @property
    def path(self) -> Path:
        """An empty file that the link or another process may write to directly; `adopt` must follow."""

    @property
    def limit(self) -> int:
        """Maximum number of bytes that it accepts."""

    async def write(self, data: bytes) -> None:
        """Append."""

    async def adopt(self) -> None:
        """The file at `path` was written from outside."""


@runtime_checkable
class MediaFetching(Protocol):
    """A link whose events describe files that can be fetched later."""

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        """Put the file of this event into `sink`. The caller sets the deadline. Raises SendError, MediaError."""
