"""What can go wrong between a program and a Rookery server.

ClientError
├── InvalidAddress    the server's address cannot be used
├── InvalidRequest    the request cannot be written: not JSON, or invalid characters in a header or id
│   └── InvalidKey     the key contains characters that no key has
├── Unreachable       no answer: connection refused, timed out or broken, or not a Rookery server
├── Refused           the server said no, with a problem document
│   ├── Unauthorized  401: the key is missing or wrong
│   ├── Forbidden     403: the key may not do this
│   ├── NotFound      404
│   ├── Conflict      409
│   ├── Invalid       400, 413, 415, 422: `field` names the wrong field, if the server does
│   └── TooMany       429, 503: `retry_after` seconds
└── BadSignature      a webhook delivery was not signed with this secret, or is too old
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The base class. The text is one line for people and contains no secret."""


_USER = re.compile(r"^(\s*[a-z][a-z0-9+.-]*:/+)?.*@", re.DOTALL | re.IGNORECASE)


def shown(url: str) -> str:
    """A server's address without user and password, for error texts. What is wrong with an address may be the password
    itself, so everything up to the last "@" is hidden."""
    return _USER.sub(r"\1***@", url)


class InvalidAddress(ClientError):
    """The server's address cannot be used."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{shown(url)!r} is not an address such as http://127.0.0.1:8080")


class InvalidRequest(ClientError):
    """The request cannot be written, so nothing was sent."""


class InvalidKey(InvalidRequest):
    """The key contains characters that no key has. It was not sent."""

    def __init__(self) -> None:
        super().__init__("the key cannot be used: it may only contain printable ASCII characters, and no line breaks")


class Unreachable(ClientError):
    """No Rookery server answered. A request that is not repeatable may still have been carried out."""


class BadSignature(ClientError):
    """The delivery is not from this webhook."""


class Refused(ClientError):
    """The server answered with a problem document (RFC 9457).

    Attributes:
        status: the HTTP status.
        problem: the document as the server sent it: `type`, `title`, `detail`, and `field` or `platform` if present.
        retry_after: seconds until it makes sense to try again, if the server said so.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{problem.get('title', status)}: {problem.get('detail', '')}".rstrip(": "))
        self.status = status
        self.problem = dict(problem)
        self.retry_after = retry_after

    @property
    def field(self) -> str | None:
        """The field of the request that was wrong, if the server named one."""
        field = self.problem.get("field")
        return field if isinstance(field, str) else None


class Unauthorized(Refused):
    """The key is missing, wrong, expired or revoked."""


class Forbidden(Refused):
    """The key may not do this."""


class NotFound(Refused):
    """It does not exist, or the key may not see it."""


class Conflict(Refused):
    """It exists already, or its state does not allow this now."""


class Invalid(Refused):
    """The request is wrong."""


class TooMany(Refused):
    """Too many requests, or the server has no capacity now."""


_BY_STATUS: dict[int, type[Refused]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooMany,
    503: TooMany,
}


def refusal(status: int, problem: Mapping[str, Any], retry_after: float | None) -> Refused:
    """The error for an answer."""
    return _BY_STATUS.get(status, Refused)(status, problem, retry_after)
