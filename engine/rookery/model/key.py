"""API keys and the audit log, and what a key may do.

A key is a long random text, so its plain SHA-256 is stored: it cannot be guessed, so a slow hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

import msgspec

PREFIX = "rk_"
"""Prefix of every key, so that people and secret scanners recognise one."""
SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key may do. Scopes are independent: `send` does not include `read`. Only `admin` includes everything."""

    READ = "read"  # sessions, events, messages, webhooks, health
    SEND = "send"  # messages and files
    CALL = "call"  # any method of a platform, directly or as a message
    MANAGE = "manage"  # create, change, start and stop sessions; pairing codes; webhooks
    ADMIN = "admin"  # everything for every session, keys and the audit log


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret; only the secret's `digest` is stored."""

    id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    sessions: tuple[str, ...] | None = None  # None: every session
    rate: float | None = None  # requests per second; None: the server's default
    expires_at: float | None = None
    created_at: float = 0.0
    last_used_at: float | None = None  # written lazily: some seconds late, and a crash may lose it

    def allows(self, scope: Scope) -> bool:
        """True when the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def reaches(self, session: str) -> bool:
        """True when the key is valid for this session, whether the session exists or not."""
        return self.sessions is None or session in self.sessions

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def __repr__(self) -> str:
        return f"<ApiKey {self.id!r} scopes={','.join(self.scopes)} sessions={self.sessions}>"


def new_secret() -> str:
    """A new random text that a caller sends as its bearer key."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """The digest under which a secret is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who requested what, with the outcome. `key` is a key's id, or the server's name for callers without one."""

    at: float
    key: str
    call: str
    session: str | None
    target: str | None  # the id in the request's path when it is not a session's
    outcome: int  # HTTP status
    client: str | None = None  # the address of the caller
    id: int = 0  # assigned by the store, increasing


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries to read, newest first; `before` is exclusive."""

    before: int | None = None
    key: str | None = None
    session: str | None = None
    limit: int = 100
