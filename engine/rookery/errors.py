"""Every error that Rookery raises on purpose.

    RookeryError
    ├── InvalidInput            the caller's input is wrong; names the field
    ├── NotFound                no such session, message or webhook
    ├── AlreadyExists           the id is taken
    ├── UnknownCursor           the log never had an event with this id
    ├── LimitReached            a configured limit was reached; names it
    ├── OwnerUnavailable        the instance that runs the session is gone or does not answer
    ├── DataDirectoryInUse      another engine has the store open
    ├── SecretKeyError          the secret key is missing or does not fit the stored secrets
    ├── ProviderError           a link failed temporarily and is retried (see `Failure`)
    │   ├── RateLimited         the platform said how long to wait
    │   ├── ProbeFailed         the health checks found the link dead
    │   ├── Conflict            another client uses the account
    │   └── TerminalError       waiting does not help; carries the reason
    ├── SendError               one outbound message failed
    │   ├── NotConnected        the session cannot send now; nothing was sent
    │   ├── Busy                too many sends are waiting
    │   ├── Rejected            the platform (or we) refused this message
    │   ├── CallRefused         the platform refused a call of one of its methods; carries its answer
    │   ├── MethodForbidden     a method that would break the session; names the right way
    │   ├── SendRateLimited     refused for now; try again after the given time
    │   ├── PlatformRefused     the platform refused a question or a change
    │   ├── AccountLimited      the platform lets the account write only to people it knows
    │   ├── TooLate             the message was already sent or is otherwise final
    │   └── OutcomeUnknown      the request was sent, but no answer came
    ├── MediaError              a file could not be stored or read
    │   ├── MediaTooLarge       it is larger than allowed
    │   ├── StorageFull         there is no room for it
    │   ├── StorageUnavailable  the storage does not answer
    │   ├── MediaExpired        the platform no longer has it
    │   └── StoredElsewhere     it is stored where this instance cannot reach it
    └── StoreError              state could not be read or written
        ├── StoreUnavailable    the database does not answer
        ├── DutyLost            another instance does this work now
        └── LeaseLost           another owner writes this session now; stop at once

No message contains a secret: the code that raises the error removes secrets first.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model.session import Action, Reason


LONGEST_TEXT = 1000
"""Maximum number of characters kept of an error's text."""


def printable(text: str) -> str:
    """Limits foreign text to what every store accepts: no NUL, no lone surrogate, bounded length."""
    return text[:LONGEST_TEXT].replace("\0", "").encode(errors="replace").decode()


class RookeryError(Exception):
    """The base class of all errors."""


class InvalidInput(RookeryError, ValueError):
    """Invalid input. `field` is the path of the invalid field, if one field is to blame."""

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
    """The object does not exist. `kind` is "session", "message", "webhook", "event", "key", "media" or "method"."""

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"there is no {kind} {id!r}")
        self.kind = kind
        self.id = id


class AlreadyExists(RookeryError):
    """The id is already in use."""

    def __init__(self, kind: str, id: str) -> None:
        super().__init__(f"the {kind} {id!r} exists already")
        self.kind = kind
        self.id = id


class LimitReached(RookeryError):
    """A configured limit was reached; `limit` is the field of `EngineSettings`."""

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class OwnerUnavailable(RookeryError):
    """Only the instance that runs the session can do this, and it is gone or does not answer. The call may be
    retried."""

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
        """`retry_after` (seconds) replaces the delay that the policy would choose."""
        super().__init__(message)
        self.retry_after = retry_after
        if kind is not None:
            self.kind = kind


class RateLimited(ProviderError):
    """The platform asked for a pause of `retry_after` seconds.

    `queueing`: the platform admits new connections one after another and said when to come back. Waiting in such a
    queue does not count as a failed attempt (B3), however long the queue is.
    """

    kind = Failure.RATE_LIMIT

    def __init__(self, message: str, *, retry_after: float, queueing: bool = False) -> None:
        super().__init__(message, retry_after=retry_after)
        self.queueing = queueing


class ProbeFailed(ProviderError):
    """The link looked connected but did not answer (G2)."""


class Conflict(ProviderError):
    """Another client uses the same bot or account (B5)."""

    kind = Failure.CONFLICT


class TerminalError(ProviderError):
    """The session cannot work until a person acts."""

    def __init__(self, message: str, *, reason: Reason, action: Action) -> None:
        super().__init__(message)
        self.reason = reason
        self.action = action


class SendError(RookeryError):
    """One message could not be sent. `code` is for machines; the session continues."""

    code = "send_failed"


class NotConnected(SendError):
    """The session cannot take sends now; nothing was sent."""

    code = "not_connected"


class Busy(SendError):
    """Too many sends are already waiting for this session; the message was not stored."""

    code = "busy"


class Rejected(SendError):
    """The platform refused the message for good; the error carries its explanation."""

    code = "rejected"


class CallRefused(SendError):
    """The platform refused a call of one of its methods; the error carries its code, its text and possibly
    parameters."""

    code = "refused"

    def __init__(self, message: str, *, error_code: int, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.parameters = parameters


class MethodForbidden(SendError):
    """The method would break the session; the text names the alternative."""

    code = "forbidden"


class SendRateLimited(SendError):
    """The platform refused for now; the same message may be tried again after `retry_after` seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, whole_session: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.whole_session = whole_session


class OutcomeUnknown(SendError):
    """The request was sent but no answer came: it is unknown whether the message was delivered. The engine does not
    repeat it automatically."""

    code = "unknown"


class AccountLimited(SendError):
    """The platform lets this account write only to people it knows; nothing was sent. Replies are still allowed."""

    code = "account_limited"


class PlatformRefused(SendError):
    """The platform refused a question or a change; the error carries its explanation. `status` is the platform's error
    number, if it gave one."""

    code = "refused"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class TooLate(SendError):
    """The message can no longer be cancelled."""

    code = "too_late"


class MediaError(RookeryError):
    """A file could not be stored or read."""


class MediaTooLarge(MediaError):
    """The file has more than `limit` bytes; no part of it was kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is too large: {limit} bytes are allowed")
        self.limit = limit


class StorageFull(MediaError):
    """The storage has no room for the file; no part of it was kept."""


class StorageUnavailable(MediaError):
    """The storage does not answer or refuses; the text says which and why."""


class MediaExpired(MediaError):
    """The platform no longer keeps the file, so it can never be fetched."""


class StoredElsewhere(MediaError):
    """The file is in a directory of another instance, which this one cannot reach."""


class UnknownCursor(RookeryError):
    """The log has never had an event with this id: the cursor belongs to another log."""

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
    """The database does not answer now; the same call may succeed later."""


class DutyLost(StoreError):
    """Another instance does this work now: nothing was written."""

    def __init__(self, duty: str) -> None:
        super().__init__(f"another instance has taken over {duty!r}")
        self.duty = duty


class LeaseLost(StoreError):
    """Another owner holds the session now: nothing was written, and this task must end."""

    def __init__(self, session: str) -> None:
        super().__init__(f"the lease of session {session!r} was lost: another owner has taken it")
        self.session = session
