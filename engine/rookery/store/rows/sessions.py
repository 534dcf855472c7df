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
from .unreadable import Troubles
from .values import Row, to_json

SESSION_COLUMNS = (
    "uid, id, platform, name, enabled, status, reason, detail, since, action, last_error, next_retry_at, credentials, "
    "settings, metadata, cursor, commands, restarts, heeded, fence, owner, created_at, updated_at"
)
NEW_SESSION_COLUMNS = SESSION_COLUMNS.removeprefix("uid, ").replace("owner, ", "")
"""The columns without those that the store itself assigns to a session."""
_object = msgspec.json.Decoder(dict[str, Any])


def health_to_row(health: Health) -> Row:
    """For `status` to `next_retry_at`, in the order of `SESSION_COLUMNS`."""
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


def session_from_row(row: Row, secrets: SecretBox, *, bare: bool = False) -> Session:
    """From `SESSION_COLUMNS`. Values that cannot be read are described in `Session.unreadable`. `bare`: see
    `BareSessionQuery`."""
    troubles = Troubles()
    credentials: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    if not bare:
        credentials = troubles.read("credentials", lambda: secrets.unseal(row[12]), {})
        settings = troubles.read("settings", lambda: secrets.unseal(row[13]), {})
        metadata = Troubles().read("metadata", lambda: _object.decode(row[14]), {})  # nothing here depends on it
    words = troubles.words
    return Session(
        uid=row[0],
        id=row[1],
        platform=row[2],
        name=row[3],
        enabled=bool(row[4]),
        health=_health_from_row(row, words),
        credentials=credentials,
        settings=settings,
        metadata=metadata,
        cursor=row[15],
        commands=row[16],
        restarts=row[17],
        heeded=row[18],
        fence=row[19],
        owner=row[20],
        created_at=row[21],
        updated_at=row[22],
        unreadable=words,
    )


def _health_from_row(row: Row, unreadable: str | None) -> Health:
    """A status of a newer version is described in `detail`."""
    troubles = Troubles()
    status = troubles.read("status", lambda: SessionStatus(row[5]), SessionStatus.DISCONNECTED)
    reason = troubles.read("reason", lambda: Reason(row[6]), Reason.INTERNAL_ERROR)
    action = troubles.read("action", lambda: Action(row[9]), Action.NONE)
    detail, last_error = row[7], row[10]
    if troubles.words is not None:
        detail = f"{detail} ({troubles.words}: {row[5]}, {row[6]}, {row[9]})"
    if unreadable is not None:
        status, reason, action = SessionStatus.DISCONNECTED, Reason.CONFIGURATION, Action.FIX_CONFIGURATION
        detail = last_error = unreadable
    return Health(
        status=status,
        reason=reason,
        detail=detail,
        since=row[8],
        action=action,
        last_error=last_error,
        next_retry_at=row[11],
    )


def transition_from_row(row: Row) -> Transition:
    """From (status, reason, detail, at)."""
    troubles = Troubles()
    status = troubles.read("status", lambda: SessionStatus(row[0]), SessionStatus.DISCONNECTED)
    reason = troubles.read("reason", lambda: Reason(row[1]), Reason.INTERNAL_ERROR)
    detail = row[2] if troubles.words is None else f"{row[2]} ({row[0]}, {row[1]}: of a newer version)"
    return Transition(status, reason, detail, row[3])


def status_event(write: StatusWrite, previous: str, enabled: bool) -> NewEvent:
    """The event that reports a change of status; `enabled` as of this moment."""
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
