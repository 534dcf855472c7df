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

from .base import LONGEST_TEXT, RookeryError, own_copy, printable
from .link import Conflict, Failure, ProbeFailed, ProviderError, RateLimited, TerminalError
from .media import MediaError, MediaExpired, MediaTooLarge, StorageFull, StorageUnavailable, StoredElsewhere
from .request import AlreadyExists, InvalidInput, LimitReached, NotFound, OwnerUnavailable, UnknownCursor
from .send import (
    AccountLimited,
    Busy,
    CallRefused,
    MethodForbidden,
    NotConnected,
    OutcomeUnknown,
    PlatformRefused,
    Rejected,
    SendError,
    SendRateLimited,
    TooLate,
)
from .store import DataDirectoryInUse, DutyLost, LeaseLost, SecretKeyError, StoreError, StoreUnavailable

__all__ = [
    "LONGEST_TEXT",
    "AccountLimited",
    "AlreadyExists",
    "Busy",
    "CallRefused",
    "Conflict",
    "DataDirectoryInUse",
    "DutyLost",
    "Failure",
    "InvalidInput",
    "LeaseLost",
    "LimitReached",
    "MediaError",
    "MediaExpired",
    "MediaTooLarge",
    "MethodForbidden",
    "NotConnected",
    "NotFound",
    "OutcomeUnknown",
    "OwnerUnavailable",
    "PlatformRefused",
    "ProbeFailed",
    "ProviderError",
    "RateLimited",
    "Rejected",
    "RookeryError",
    "SecretKeyError",
    "SendError",
    "SendRateLimited",
    "StorageFull",
    "StorageUnavailable",
    "StoreError",
    "StoreUnavailable",
    "StoredElsewhere",
    "TerminalError",
    "TooLate",
    "UnknownCursor",
    "own_copy",
    "printable",
]
