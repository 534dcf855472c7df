"""What a provider may do beside opening links: each ability is a protocol of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

from ...model.event_type import EventType
from ...model.session import Session


class Pairing(Protocol):
    """A code that authorises a session until `expires_at`. `kind` says how to use it: "qr" (draw it) or "phone" (type
    it into the phone). An optional integer `round` says in which of several rounds it is shown."""

    @property
    def kind(self) -> str: ...

    @property
    def code(self) -> str: ...

    @property
    def expires_at(self) -> float: ...


class WorkerInfo(msgspec.Struct, frozen=True):
    """A process in which a provider runs sessions."""

    id: str
    pid: int
    sessions: tuple[str, ...]


@runtime_checkable
class MethodProvider(Protocol):
    """A provider whose platform has methods that can be called by name."""

    def check_call(self, method: str, params: Mapping[str, Any]) -> str:
        """Check a call without I/O. Returns the method's name for metrics, one of a bounded set.

        Raises:
            NotFound: no method can have this name.
            MethodForbidden: it would break the session; the text names the alternative.
            InvalidInput: names the parameter that is wrong.
        """


@runtime_checkable
class QueryAnswering(Protocol):
    """A provider some of whose methods answer queries of people who are waiting, such as a pressed button."""

    def answers_query(self, method: str) -> bool:
        """Whether this method answers such a query: a call of it never waits behind sends."""


@runtime_checkable
class OptionChecking(Protocol):
    """A provider that knows which options each kind of message takes."""

    def option_names(self, kind: str) -> Collection[str]:
        """The options of a kind of message, by the name that callers write as its type."""

    def check_options(self, kind: str, options: Mapping[str, Any], *, fields: Collection[str]) -> None:
        """Check options without I/O. `fields` are the content's own field names: an option may be a misspelt field. `kind`
        may be unknown; what the platform has but its library cannot do is refused with that reason.

        Raises:
            InvalidInput: names the option or the type that is wrong and what would be right.
        """


@runtime_checkable
class WorkerHosting(Protocol):
    """A provider that runs sessions in processes of its own."""

    def workers(self) -> Sequence[WorkerInfo]:
        """The workers that run now."""

    async def replace_worker(self, id: str, reason: str) -> None:
        """End this worker; its sessions reconnect in another one. Harmless when the worker is gone."""


class Reached(msgspec.Struct, frozen=True):
    """A platform that answered. `clock_ahead`: seconds by which its clock is ahead of ours, if it sent its time."""

    detail: str
    clock_ahead: float | None = None


@runtime_checkable
class Reachable(Protocol):
    """A provider that can tell, without a session, whether this machine can work with its platform."""

    @property
    def platform(self) -> str:
        """As in `Provider`."""

    async def reach(self) -> Reached:
        """Check what the platform needs: its libraries, its servers. The caller sets the deadline.

        Raises:
            ProviderError: what is missing; TerminalError when waiting will not help.
        """


@runtime_checkable
class ReachableBy(Protocol):
    """A provider whose sessions may each reach the platform by a way of their own, such as a proxy."""

    @property
    def platform(self) -> str:
        """As in `Provider`."""

    def way_of(self, settings: Mapping[str, Any]) -> str | None:
        """Names the way that these settings choose, equal for equal ways; None for that of all sessions. It may hold a
        secret."""

    async def reach_by(self, settings: Mapping[str, Any]) -> Reached:
        """Like `Reachable.reach`, for a session with these settings. Raises InvalidInput, ProviderError."""


@runtime_checkable
class Cleanable(Protocol):
    """A provider that keeps things in memory for a session after its link has ended."""

    @property
    def platform(self) -> str:
        """As in `Provider`."""

    async def clean(self, running: Collection[str]) -> Collection[str]:
        """Release what belongs to sessions that are not in `running`, but nothing that is stored. Must not wait before
        it has looked. Returns the ids of these sessions."""


@runtime_checkable
class Pairable(Protocol):
    """A provider whose sessions a person authorises with a QR code or pairing code."""

    def pairing(self, session: str) -> Pairing | None:
        """The code to scan now, or None without one."""

    async def request_pairing_code(self, session: str, phone: str) -> Pairing:
        """Ask the platform for a code to type in. Raises InvalidInput, NotConnected."""


@runtime_checkable
class Forgetful(Protocol):
    """A provider that keeps its own data for each session, such as keys."""

    async def forget(self, session: Session) -> Mapping[str, str]:
        """Release this data; the session's link is closed. This is not a logout. Returns the credentials worth keeping.

        Raises:
            ProviderError: some data is left.
        """


@runtime_checkable
class EventDescribing(Protocol):
    """A provider that lists the types of events that its links commit."""

    @property
    def event_types(self) -> Sequence[EventType]:
        """The catalogue's rows for this platform: all of them, so that a misspelt type in a webhook is recognised."""


@runtime_checkable
class ChatNaming(Protocol):
    """A provider whose platform knows one chat under several addresses."""

    def chat_address(self, chat: str) -> str:
        """The form that events use, without I/O; `chat` itself when it is not an address of this platform."""

    async def chat_name(self, session: str, chat: str, cursor: str | None) -> str:
        """Like `chat_address`, for a chat whose events in this session may use another of its addresses. `cursor` is
        the session's. Never raises for an unknown address."""

    async def chat_names(self, session: str, chat: str) -> Sequence[str]:
        """Every address under which events of this session may have named the chat so far. Never raises for an unknown
        address."""


@runtime_checkable
class Hurried(Protocol):
    """A provider whose `running` block may take a while to leave."""

    def close_by(self, deadline: float) -> None:
        """Leaving must be finished by this trio time: whatever has not ended by then is killed."""
