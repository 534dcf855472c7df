"""Keys and the audit log as the API shows them. See `views`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.model import key as keys

from .values import Moment, moment, moment_or_none


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key. `key` is the text to send, shown once, in the answer to its creation; only its hash is stored."""

    id: str
    name: str
    scopes: list[keys.Scope]
    sessions: Annotated[list[str] | None, msgspec.Meta(description="null: every session")]
    rate: Annotated[float | None, msgspec.Meta(description="requests a second; null: as the server is set")]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Annotated[Moment | None, msgspec.Meta(description="some seconds late")]
    key: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, key: keys.ApiKey, secret: str | msgspec.UnsetType = msgspec.UNSET) -> ApiKey:
        return cls(
            id=key.id,
            name=key.name,
            scopes=list(key.scopes),
            sessions=list(key.sessions) if key.sessions is not None else None,
            rate=key.rate,
            created_at=moment(key.created_at),
            expires_at=moment_or_none(key.expires_at),
            last_used_at=moment_or_none(key.last_used_at),
            key=secret,
        )


class ApiKeyPage(msgspec.Struct, frozen=True):
    """Ordered by id; `next` is the value of `after` for the next page, null on the last."""

    keys: list[ApiKey]
    next: str | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`key` is the id of a key, `admin` for the key of the environment, `local` without one; `outcome` the HTTP status,
    `client` the address that the call came from."""

    id: int
    at: Moment
    key: str
    call: str
    session: str | None
    target: str | None
    outcome: int
    client: str | None

    @classmethod
    def of(cls, entry: keys.AuditEntry) -> AuditEntry:
        return cls(**msgspec.structs.asdict(entry) | {"at": moment(entry.at)})


class AuditPage(msgspec.Struct, frozen=True):
    """Newest first; `next` is the value of `before` for the next page, null on the last."""

    entries: list[AuditEntry]
    next: int | None
