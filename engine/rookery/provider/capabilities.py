"""What only some platforms can do, each a protocol of its own; the engine asks with `isinstance`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from ..model.directory import Question
from ..model.event import Event
from ..model.event_type import EventType
from ..model.session import Session


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
class Waiting(Protocol):
    """A link whose library connects again by itself, after pauses that it chooses."""

    @property
    def waiting(self) -> bool:
        """True while it has no connection; an operator's "retry now" then replaces the link."""


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


@runtime_checkable
class Paced(Protocol):
    """A link whose platform wants pauses between messages."""

    def ready_in(self, chat: str) -> float:
        """Seconds until the next message to this chat may leave; 0 when it may leave now."""

    def book(self, chat: str) -> float:
        """Take the next turn of this chat; returns the seconds until it comes."""


class WorkerInfo(msgspec.Struct, frozen=True):
    """A process that a provider runs sessions in."""

    id: str
    pid: int
    sessions: tuple[str, ...]


@runtime_checkable
class MethodProvider(Protocol):
    """A provider whose platform has methods that can be called by name."""

    def check_call(self, method: str, params: Mapping[str, Any]) -> str:
        """Look at a call without I/O. Returns the method's name for metrics, one of a bounded set.

        Raises:
            NotFound: no method can have this name.
            MethodForbidden: it would break the session; the text names what to do instead.
            InvalidInput: names the parameter that is wrong.
        """


@runtime_checkable
class OptionChecking(Protocol):
    """A provider that knows which options each kind of message takes."""

    def option_names(self, kind: str) -> Collection[str]:
        """The options of a kind of message, by the name that callers write as its type."""

    def check_options(self, kind: str, options: Mapping[str, Any], *, fields: Collection[str]) -> None:
        """Without I/O. `fields` are the names of the content's own fields, of which a misspelt one may be meant.

        Raises:
            InvalidInput: names the option that is wrong and what would be right.
        """


@runtime_checkable
class MethodCalling(Protocol):
    """A link whose platform's methods can be called by name."""

    async def call(self, method: str, params: Mapping[str, Any]) -> bytes:
        """Call it once, without waiting for the queue of sends; returns the result as JSON. Bounds its own time.

        Raises:
            CallRefused, NotFound (no such method): the platform refused.
            SendRateLimited, NotConnected: nothing happened; it may be tried again.
            OutcomeUnknown: the call left and no answer came.
        """


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


@runtime_checkable
class EventDescribing(Protocol):
    """A provider that says which types of events its links commit."""

    @property
    def event_types(self) -> Sequence[EventType]:
        """The catalogue's rows for this platform: all of them, so that a misspelt type in a webhook is recognised."""


@runtime_checkable
class ChatNaming(Protocol):
    """A provider whose platform knows one chat under several addresses."""

    def chat_address(self, chat: str) -> str:
        """The form that events use, without I/O; `chat` itself when it is no address of this platform."""

    async def chat_name(self, session: str, chat: str, cursor: str | None) -> str:
        """The same, where another address of the chat may be the one that this session's events use. `cursor` is the
        session's. Never raises for an address that is unknown."""


@runtime_checkable
class Directory(Protocol):
    """A link that can be asked about people, groups, channels and the account. Its provider says so with
    `has_directory = True`."""

    async def ask(self, question: Question) -> Any:
        """The answer, of the type that `model.directory.ANSWERS` names. The caller sets the deadline.

        Raises:
            InvalidInput: an address that is none, or a question that the platform does not have.
            PlatformRefused: the platform said no; nothing has changed.
            NotConnected, SendRateLimited: nothing has happened; it may be asked again.
            OutcomeUnknown: the question left and no answer came.
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
    """A code that authorises a session until `expires_at`. `kind` says what to do with it: "qr" (draw it) or "phone" (type it
    into the phone). An integer `round` may tell in which of several rounds it is shown."""

    @property
    def kind(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def expires_at(self) -> float: ...


@runtime_checkable
class Hurried(Protocol):
    """A provider whose `running` may take a while to leave."""

    def close_by(self, deadline: float) -> None:
        """Leaving has to be over by this trio time: what does not end by itself until then is killed."""
