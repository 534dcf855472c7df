"""Errors of a caller's request: its input is wrong, it names something that does not exist, or a limit refuses it."""

from __future__ import annotations

import re

from .base import RookeryError


class InvalidInput(RookeryError, ValueError):
    """Invalid input. `field` is the path of the invalid field, if one field is to blame."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field

    @classmethod
    def from_validation(cls, error: Exception, *, within: str | None = None) -> InvalidInput:
        """Translate a msgspec validation error ("Expected `str`, got `int` - at `$.id`"). `within`: the field whose value was
        checked, if that was not the whole document."""
        message = str(error)
        found = re.search(r" - at (?:`key` in )?`\$\.?([^`]*)`$", message)
        field = found.group(1) if found else None
        if found:
            message = message[: found.start()]
        unknown = re.search(r"unknown field `([^`]+)`", message) or re.search(r"required field `([^`]+)`", message)
        if unknown:
            field = f"{field}.{unknown.group(1)}" if field else unknown.group(1)
        if within is not None:
            field = f"{within}.{field}" if field else within
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


class UnknownCursor(RookeryError):
    """The log has never had an event with this id: the cursor belongs to another log."""

    def __init__(self, after: int, newest: int) -> None:
        super().__init__(
            f"the log has no event {after} and never had one, its newest is {newest}: this cursor comes from another "
            f"database, or from one whose clock was ahead; start again with after=0, or with after={newest} for new events"
        )
        self.after = after
        self.newest = newest


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
