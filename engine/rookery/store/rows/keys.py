"""Rows of keys and of the audit log to our nouns and back; see `rows`."""

from __future__ import annotations

import msgspec

from ...model.key import ApiKey, AuditEntry, Scope
from .unreadable import Troubles
from .values import Row, to_json

KEY_COLUMNS = "id, name, digest, scopes, sessions, rate, expires_at, created_at, last_used_at"
AUDIT_COLUMNS = "at, key, call, session, target, outcome, client"


def key_to_row(key: ApiKey) -> Row:
    """For `KEY_COLUMNS`."""
    return (
        key.id,
        key.name,
        key.digest,
        ",".join(key.scopes),
        None if key.sessions is None else to_json(key.sessions),
        key.rate,
        key.expires_at,
        key.created_at,
        key.last_used_at,
    )


def key_from_row(row: Row) -> ApiKey:
    """From `KEY_COLUMNS`. A scope of a newer version grants nothing, and sessions that cannot be read count as none."""
    sessions: tuple[str, ...] | None = Troubles().read("sessions", lambda: _listed(row[4]), ())
    return ApiKey(
        id=row[0],
        name=row[1],
        digest=row[2],
        scopes=tuple(Scope(scope) for scope in row[3].split(",") if scope in set(Scope)),
        sessions=sessions,
        rate=row[5],
        expires_at=row[6],
        created_at=row[7],
        last_used_at=row[8],
    )


def _listed(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(msgspec.json.decode(value, type=list[str]))


def audit_to_row(entry: AuditEntry) -> Row:
    """For `AUDIT_COLUMNS`."""
    return (entry.at, entry.key, entry.call, entry.session, entry.target, entry.outcome, entry.client)


def audit_from_row(row: Row) -> AuditEntry:
    """From id and `AUDIT_COLUMNS`."""
    return AuditEntry(
        id=row[0], at=row[1], key=row[2], call=row[3], session=row[4], target=row[5], outcome=row[6], client=row[7]
    )
