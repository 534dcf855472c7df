"""API keys and the audit log as data, what a key may do, and what a store keeps of them. No I/O in here.

A key is a long random text, so its plain SHA-256 is stored: there is nothing to guess that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

PREFIX = "rk_"
"""Begins every key, so that people and secret scanners recognise one."""

SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key may do. Each stands for itself: `send` does not include `read`; `admin` includes everything."""

    READ = "read"  # sessions, events, messages, webhooks, health
    SEND = "send"  # messages and files
    MANAGE = "manage"  # create, change, start and stop sessions; pairing codes; webhooks
    ADMIN = "admin"  # all of it for every session, keys and the audit log


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret, of which only `digest` is known."""

    id: str
    name: str
    digest: str
    scopes: tuple[Scope, ...]
    sessions: tuple[str, ...] | None = None  # None: every session
    rate: float | None = None  # requests a second; None: as the server is set
    expires_at: float | None = None
    created_at: float = 0.0
    last_used_at: float | None = None  # written lazily: some seconds late, and lost by a crash

    def allows(self, scope: Scope) -> bool:
        """True when the key has this scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def reaches(self, session: str) -> bool:
        """True when the key is for this session, whether there is such a session or not."""
        return self.sessions is None or session in self.sessions

    def expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def __repr__(self) -> str:
        return f"<ApiKey {self.id!r} scopes={','.join(self.scopes)} sessions={self.sessions}>"


def new_secret() -> str:
    """The text that a caller sends as its bearer key."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for what and what came of it. `key` is a key's id, or a name of the server's for callers without one."""

    at: float
    key: str
    call: str
    session: str | None
    target: str | None  # the id in the request's path when it is not a session's
    outcome: int  # HTTP status
    id: int = 0  # given by the store, grows


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries to read, newest first; `before` is exclusive."""

    before: int | None = None
    key: str | None = None
    session: str | None = None
    limit: int = 100


class KeyStore(Protocol):
    """Keys and the audit log; part of every store, with its promises."""

    async def create_key(self, key: ApiKey) -> ApiKey:
        """Raises AlreadyExists."""

    async def get_key(self, id: str) -> ApiKey:
        """Raises NotFound."""

    async def find_key(self, digest: str) -> ApiKey | None:
        """The key with this digest, expired or not."""

    async def remaining_keys(self, ids: Collection[str]) -> Collection[str]:
        """Those of these ids that still belong to a key."""

    async def list_keys(self, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        """Ordered by id; `after` is exclusive."""

    async def delete_key(self, id: str) -> bool:
        """False when there was none. What it did stays in the audit log."""

    async def touch_keys(self, used: Mapping[str, float]) -> None:
        """Write when keys were last used; an earlier time never replaces a later one. Ids that are gone are skipped."""

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries; their ids are ignored."""

    async def read_audit(self, query: AuditQuery) -> Sequence[AuditEntry]: ...

    async def prune_audit(self, *, before: float, keep: int) -> int:
        """Delete entries from before `before`, and all but the newest `keep`; returns how many."""
