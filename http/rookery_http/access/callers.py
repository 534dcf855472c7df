"""Identifies the caller of a request and decides what it may see and do.

A key that is bound to sessions must not learn whether any other exists. So the check comes before everything else and does
not look at the store: a bound key gets the same "unknown" error for every other id, whether it exists or not.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol

import msgspec

from rookery import Engine
from rookery.errors import NotFound
from rookery.model.key import PREFIX, ApiKey, Scope

from ..output.problems import Problem

REALM = {"WWW-Authenticate": 'Bearer realm="rookery"'}


class Headers(Protocol):
    """The headers of a request or of a WebSocket handshake."""

    def getlist(self, key: str) -> list[str]: ...


class Caller(msgspec.Struct, frozen=True):
    """`key` is None for the administrator: a caller with the environment's key, or, if none is set, any caller on this
    machine."""

    id: str
    key: ApiKey | None = None

    @property
    def sessions(self) -> tuple[str, ...] | None:
        """The sessions that this caller may see; None means all."""
        return self.key.sessions if self.key is not None else None

    def allows(self, scope: Scope) -> bool:
        """True when the caller has this scope."""
        return self.key is None or self.key.allows(scope)

    def reaches(self, session: str | None) -> bool:
        """True when the caller may see what belongs to this session; None stands for all of them."""
        return self.sessions is None or (session is not None and session in self.sessions)

    def check_session(self, session: str) -> None:
        """Raises NotFound, exactly as for a session that does not exist."""
        if not self.reaches(session):
            raise NotFound("session", session)

    def require(self, scope: Scope) -> None:
        """Raises a Problem: 403."""
        if not self.allows(scope):
            raise forbidden(f"this key lacks the scope {scope}")

    def require_all_sessions(self) -> None:
        """Raises a Problem: 403 for a key that is bound to sessions."""
        if self.sessions is not None:
            raise forbidden("this call is about all sessions, and this key is for some")


ADMINISTRATOR = Caller("admin")
LOCAL = Caller("local")


def forbidden(detail: str) -> Problem:
    """403: the key is valid but does not allow this."""
    return Problem(403, "forbidden", "Forbidden", detail)


def _unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", "Unauthorized", detail, headers=REALM)


def given_key(headers: Headers) -> str | None:
    """The key of a request: in `Authorization: Bearer`, `X-Api-Key` or `apikey`; None without any of these headers, empty
    with `Authorization` of another scheme alone.

    Raises:
        Problem: 401 when these headers contradict each other.
    """
    found = [value.strip() for name in ("X-Api-Key", "Apikey") for value in headers.getlist(name)]
    others = False
    for value in headers.getlist("Authorization"):
        scheme, _, token = value.partition(" ")
        if scheme.lower() == "bearer":
            found.append(token.strip())
        else:
            others = True  # of a proxy in front, for example, which asks for a name and a password
    if not found:
        return "" if others else None
    if any(token != found[0] for token in found):
        raise _unauthorized("send one key, in the header Authorization: Bearer KEY")
    return found[0]


async def identify(engine: Engine, token: str | None, key: str | None) -> Caller:
    """Identify the caller by its key (`given_key`); `key` is the environment's key.

    Without `key`, every caller on this machine is the administrator, but a caller that sends one of our keys gets only
    that key's rights.

    Raises:
        Problem: 401.
    """
    if token is None:
        if key is None:
            return LOCAL
        raise _unauthorized("send the header Authorization: Bearer KEY (or X-Api-Key: KEY)")
    usable = token != ""
    if usable and key is not None and hmac.compare_digest(token.encode("latin-1", "replace"), key.encode()):
        return ADMINISTRATOR
    if usable and token.startswith(PREFIX):
        found = await engine.authenticate(token)
        if found is not None:
            return Caller(found.id, found)
    elif key is None:
        return LOCAL
    raise _unauthorized("this is not the key")


def visible(caller: Caller, wanted: Sequence[str] | None) -> tuple[str, ...] | None:
    """The sessions to look at when the caller asks for these (None: all that the caller may see)."""
    if wanted is None:
        return caller.sessions
    for session in wanted:
        caller.check_session(session)
    return tuple(wanted)
