"""Formats single values: times as ISO 8601 in UTC, and never a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rookery.model.document import Moment, moment

__all__ = ["REDACTED", "Moment", "moment", "moment_or_none", "redacted", "without_password"]

REDACTED = "***"
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|api_?key|private_?key|credential|authorization", re.IGNORECASE
)
_SLASHES = re.compile(r":/+")


def moment_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else moment(seconds)


def redacted(value: Any) -> Any:
    """The same document with `***` for values whose key names a token, secret or password, and for URLs' passwords."""
    if isinstance(value, Mapping):
        return {
            name: REDACTED if _SECRET_NAME.search(str(name)) and item not in (None, "") else redacted(item)
            for name, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [redacted(item) for item in value]
    return without_password(value) if isinstance(value, str) else value


def without_password(url: str) -> str:
    """The address with `***` for the user and password in it: some services put the secret in the user's place."""
    found = _SLASHES.search(url)
    if found is None:
        return url
    start, rest = url[: found.end()], url[found.end() :]
    authority, slash, path = rest.partition("/")
    _, at, host = authority.rpartition("@")
    if at:
        return f"{start}{REDACTED}@{host}{slash}{path}"
    _, colon, port = authority.rpartition(":")
    if colon and not port.isdigit() and not port.endswith("]") and "@" in path:  # a password with a slash in it
        return f"{start}{REDACTED}@{path.rpartition('@')[2]}"
    return url
