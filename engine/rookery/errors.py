"""Every error that Rookery raises on purpose.

    RookeryError
    ├── InvalidInput            the caller's input is wrong; names the field
    ├── NotFound                no such session, message or webhook
    ├── AlreadyExists           the id is taken
    ├── UnknownCursor           the log never had an event with this id
    ├── LimitReached            a configured limit; names it
    ├── OwnerUnavailable        the instance that runs the session is gone or does not answer
    ├── DataDirectoryInUse      another engine holds the store
    ├── SecretKeyError          the secret key is missing or does not fit the stored secrets
    ├── ProviderError           a link failed, transient: it is tried again (see `Failure`)
    │   ├── RateLimited         the platform told how long to wait
    │   ├── ProbeFailed         the health checks found the link dead
    │   ├── Conflict            somebody else holds the account
    │   └── TerminalError       no waiting cures it; carries the reason
    ├── SendError               one outbound message failed
    │   ├── NotConnected        the session cannot send now; nothing left
    │   ├── Busy                too many sends are waiting
    │   ├── Rejected            the platform (or we) refused this message
    │   ├── CallRefused         the platform refused a call of one of its methods; carries its answer
    │   ├── MethodForbidden     a method that would break the session; names the way to do it right
    │   ├── SendRateLimited     refused for now; try again after the time told
    │   ├── PlatformRefused     the platform refused a question or a change
    │   ├── AccountLimited      the platform lets the account write only to people it knows
    │   ├── TooLate             the message has left, or came to its end otherwise
    │   └── OutcomeUnknown      the bytes left, the answer never came
    ├── MediaError              a file could not be stored or read
    │   ├── MediaTooLarge       it is larger than allowed
    │   ├── StorageFull         there is no room for it
    │   ├── StorageUnavailable  the storage does not answer
    │   ├── MediaExpired        the platform does not have it any more
    │   └── StoredElsewhere     it lies where this instance cannot reach it
    └── StoreError              state could not be read or written
        ├── StoreUnavailable    the database does not answer
        └── LeaseLost           another owner writes this session now; stop at once

No message contains a secret: whoever raises has removed it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model.session import Action, Reason


LONGEST_TEXT = 1000
"""Characters of an error's text that are kept."""


def printable(text: str) -> str:
    """What every store takes of a text that came from elsewhere: no NUL, no half of a surrogate pair, bounded."""
    return text[:LONGEST_TEXT].replace("\0", "").encode(errors="replace").decode()


class RookeryError(Exception):
    """The root of the tree."""


class InvalidInput(RookeryError, ValueError):
    """Input that cannot be accepted; `field` is the path of the culprit, if one field is to blame."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    @classmethod
    def from_validation(cls, error: Exception) -> InvalidInput:
        """Translate a msgspec validation error ("Expected `str`, got `int` - at `$.id`")."""
        message = str(error)
        found = re.search(r" - at (?:`key` in )?`\$\.?([^`]*)`$", message)
        field = found.group(1) if found else None
        if found:
            message = message[: found.start()]
        unknown = re.search(r"unknown field `([^`]+)`", message) or re.search(r"required field `([^`]+)`", message)
        if unknown:
            field = f"{field}.{unknown.group(1)}" if field else unknown.group(1)
        return cls(f"{field}: {message}" if field else message, field=field or None)


class NotFound(RookeryError, LookupError):
    """No such thing. `kind` is "session", "message", "webhook", "event", "key", "media" or "method"."""

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"there is no {kind} {id!r}")
        self.kind = kind
        self.id = id


class AlreadyExists(RookeryError):
    """The id is taken."""

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"the {kind} {id!r} exists already")
        self.kind = kind
        self.id = id


class LimitReached(RookeryError):
    """A configured limit stands in the way; `limit` is the field of `EngineSettings`."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class OwnerUnavailable(RookeryError):
    """Only the instance that runs the session can do this, and it is gone or does not answer. May be tried again."""

    def __init__(self, message: str, *, retry_after: float = 1.0, may_have_happened: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened


class DataDirectoryInUse(RookeryError):
    """Another engine has this SQLite store open."""


class SecretKeyError(RookeryError):
    """The secret key is missing, malformed, or not the one that the stored secrets were encrypted with."""


class Failure(StrEnum):
    """Kinds of link failure; each has its own base delay (B2)."""

    NETWORK = "network"
    SERVER = "server"
    RATE_LIMIT = "rate_limit"
    CONFLICT = "conflict"
    BUG = "bug"
    STORE = "store"


class ProviderError(RookeryError):
    """The link failed in a way that may pass. `kind` decides the delay before the next attempt."""

    kind: Failure = Failure.NETWORK

    def __init__(self, message: str, *, kind: Failure | None = None, retry_after: float | None = None) -> None:
        """`retry_after` seconds replace the delay that the policy would choose."""
        super().__init__(message)
        self.retry_after = retry_after
        if kind is not None:
            self.kind = kind


class RateLimited(ProviderError):
    """The platform asked for a pause of `retry_after` seconds.

    `queueing`: it lets newcomers in one after another and said when to come again. That is a turn and no failure, so it
    uses up no attempt (B3), however long the queue is.
    """

    kind = Failure.RATE_LIMIT

    def __init__(self, message: str, *, retry_after: float, queueing: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.queueing = queueing


class ProbeFailed(ProviderError):
    """The link looked connected but did not answer (G2)."""


class Conflict(ProviderError):
    """Somebody else uses the same bot or account (B5)."""

    kind = Failure.CONFLICT


class TerminalError(ProviderError):
    """The session cannot work until a person acts."""

    def __init__(self, message: str, *, reason: Reason, action: Action) -> None:
        super().__init__(message)
        self.reason = reason
        self.action = action


class SendError(RookeryError):
    """One message could not be sent. `code` is for machines; the session goes on."""

    code = "send_failed"


class NotConnected(SendError):
    """The session cannot take sends now; nothing was sent."""

    code = "not_connected"


class Busy(SendError):
    """Too many sends wait for this session already; nothing was stored."""

    code = "busy"


class Rejected(SendError):
    """The platform refused the message for good, with its own words."""

    code = "rejected"


class CallRefused(SendError):
    """The platform refused a call of one of its methods, with its own code, words and, perhaps, parameters."""

    code = "refused"

    def __init__(self, message: str, *, error_code: int, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.parameters = parameters


class MethodForbidden(SendError):
    """The method would break the session; the text names what to do instead."""

    code = "forbidden"


class SendRateLimited(SendError):
    """The platform refused for now; the same message may be tried again after `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, whole_session: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_session = whole_session


class OutcomeUnknown(SendError):
    """The request left but no answer came: sent or not, nobody knows. It is not repeated by itself."""

    code = "unknown"


class AccountLimited(SendError):
    """The platform lets this account write only to people it knows; nothing was sent. Replies still go."""

    code = "account_limited"


class PlatformRefused(SendError):
    """The platform refused a question or a change, with its own words. `status` is its number, if it named one."""

    code = "refused"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TooLate(SendError):
    """The message cannot be cancelled any more."""

    code = "too_late"


class MediaError(RookeryError):
    """A file could not be stored or read."""


class MediaTooLarge(MediaError):
    """The file has more than `limit` bytes; nothing of it was kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is too large: {limit} bytes are allowed")
        self.limit = limit


class StorageFull(MediaError):
    """There is no room for the file; nothing of it was kept."""


class StorageUnavailable(MediaError):
    """The storage does not answer, or refuses; the text says which and why."""


class MediaExpired(MediaError):
    """The platform does not keep the file any more, so it can never be fetched."""


class StoredElsewhere(MediaError):
    """The file lies in a directory of another instance, which this one cannot reach."""


class UnknownCursor(RookeryError):
    """The log has never had an event with this id: the cursor comes from another log."""

    def __init__(self, after: int, newest: int) -> None:
        super().__init__(
            f"the log has no event {after} and never had one, its newest is {newest}: this cursor comes from another "
            f"database, or from one whose clock was ahead; begin anew with after=0, or with after={newest} for what is new"
        )
        self.after = after
        self.newest = newest


class StoreError(RookeryError):
    """State could not be read or written."""


class StoreUnavailable(StoreError):
    """The database does not answer now; the same call may work later."""


class LeaseLost(StoreError):
    """Another owner holds the session now: nothing was written, and this task must end."""

    def __init__(self, session: str) -> None:
        super().__init__(f"the lease of session {session!r} was lost: another owner has taken it")
        self.session = session
