"""Rows of sessions and of their history to our nouns and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ...model.document import iso
from ...model.event import NewEvent
from ...model.session import (
    PAIRING_CODE_SHOWN,
    QR_SHOWN,
    SESSION_EPOCH,
    STATUS_CHANGED,
    Action,
    Health,
    PairingCode,
    Reason,
    Session,
    SessionStatus,
    StatusWrite,
    Transition,
)
from ..secrets import SecretBox
from .values import Row, to_json

SESSION_COLUMNS = (
    "uid, id, platform, name, enabled, status, reason, detail, since, action, last_error, next_retry_at, credentials, "
    "settings, metadata, cursor, commands, restarts, heeded, fence, owner, created_at, updated_at"
)
NEW_SESSION_COLUMNS = SESSION_COLUMNS.removeprefix("uid, ").replace("owner, ", "")
"""Without what the store itself gives a session."""
_decode = msgspec.json.Decoder().decode


def health_to_row(health: Health) -> Row:
    """For `status` to `next_retry_at`, as they stand in `SESSION_COLUMNS`."""
    return (
        health.status.value,
        health.reason.value,
        health.detail,
        health.since,
        health.action.value,
        health.last_error,
        health.next_retry_at,
    )


def session_to_row(session: Session, secrets: SecretBox) -> Row:
    """For `NEW_SESSION_COLUMNS`."""
    return (
        session.id,
        session.platform,
        session.name,
        session.enabled,
        *health_to_row(session.health),
        secrets.seal(session.credentials),
        secrets.seal(session.settings),
        to_json(session.metadata),
        session.cursor,
        session.commands,
        session.restarts,
        session.heeded,
        session.fence,
        session.created_at,
        session.updated_at,
    )


def session_from_row(row: Row, secrets: SecretBox) -> Session:
    """From `SESSION_COLUMNS`. Raises SecretKeyError."""
    return Session(
        uid=row[0],
        id=row[1],
        platform=row[2],
        name=row[3],
        enabled=bool(row[4]),
        health=Health(
            status=SessionStatus(row[5]),
            reason=Reason(row[6]),
            detail=row[7],
            since=row[8],
            action=Action(row[9]),
            last_error=row[10],
            next_retry_at=row[11],
        ),
        credentials=secrets.unseal(row[12]),
        settings=secrets.unseal(row[13]),
        metadata=_decode(row[14]),
        cursor=row[15],
        commands=row[16],
        restarts=row[17],
        heeded=row[18],
        fence=row[19],
        owner=row[20],
        created_at=row[21],
        updated_at=row[22],
    )


def transition_from_row(row: Row) -> Transition:
    """From (status, reason, detail, at)."""
    return Transition(SessionStatus(row[0]), Reason(row[1]), row[2], row[3])


def status_event(write: StatusWrite, previous: str, enabled: bool) -> NewEvent:
    """The event that tells a change of status; `enabled` as of this moment."""
    health = write.health
    body = {
        "status": health.status.value,
        "reason": health.reason.value,
        "detail": health.detail,
        "action": health.action.value,
        "previous": previous,
        "enabled": enabled,
        "owner": write.lease.owner,
    }
    return _session_event(f"{write.lease.fence}.{write.number}", STATUS_CHANGED, health.since, body)


def code_event(write: StatusWrite, code: PairingCode) -> NewEvent:
    """The event that carries a code to scan or to type."""
    type = QR_SHOWN if code.kind == "qr" else PAIRING_CODE_SHOWN
    body: dict[str, Any] = {"code": code.code, "expires_at": iso(code.expires_at)}
    if code.round is not None:
        body["round"] = code.round
    return _session_event(f"{write.lease.fence}.{write.number}.code", type, write.health.since, body)


def _session_event(key: str, type: str, time: float, body: Mapping[str, Any]) -> NewEvent:
    return NewEvent(key, type, time, None, None, to_json(body).encode(), b"null", SESSION_EPOCH)
