"""Rows of webhooks and dead letters to our nouns and back."""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.webhook import ATTEMPTS_KEPT, DeadLetter, DeliveryAttempt, Webhook, public_url
from ..secrets import SecretBox
from .events import event_from_row
from .unreadable import Troubles
from .values import Row, to_json

WEBHOOK_COLUMNS = "id, url, secret, session, events, enabled, created_at, updated_at, chats, private, timeout"
_texts = msgspec.json.Decoder(list[str])


def webhook_from_row(row: Row, secrets: SecretBox) -> Webhook:
    """From `WEBHOOK_COLUMNS`. Values that cannot be read are described in `Webhook.unreadable`."""
    troubles = Troubles()
    private: dict[str, Any] = troubles.read("headers", lambda: secrets.unseal(row[9]), {})
    secret = troubles.read("secret", lambda: secrets.decrypt(row[2]) if row[2] else "", "")
    events: tuple[str, ...] | None = troubles.read("event types", lambda: _listed(row[4]), ())
    chats: tuple[str, ...] | None = troubles.read("chats", lambda: _listed(row[8]), ())
    return Webhook(
        id=row[0],
        url=str(private.get("url", row[1])),
        secret=secret,
        session=row[3],
        events=events,
        enabled=bool(row[5]),
        created_at=row[6],
        updated_at=row[7],
        chats=chats,
        headers=private.get("headers", {}),
        timeout=row[10],
        previous_secret=private.get("previous_secret"),
        previous_until=private.get("previous_until"),
        target=private.get("target"),
        commands=private.get("commands"),
        replies=bool(private.get("replies", False)),
        format=str(private.get("format", "rookery")),
        unreadable=troubles.words,
    )


def _listed(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(_texts.decode(value))


def webhook_to_row(webhook: Webhook, secrets: SecretBox) -> Row:
    """For `WEBHOOK_COLUMNS`."""
    public = public_url(webhook.url)
    private = {
        "url": webhook.url if webhook.url != public else None,
        "headers": dict(webhook.headers),
        "previous_secret": webhook.previous_secret,
        "previous_until": webhook.previous_until,
        "target": webhook.target,
        "commands": webhook.commands,
        "replies": webhook.replies,
        "format": webhook.format if webhook.format != "rookery" else None,
    }
    return (
        webhook.id,
        public,
        secrets.encrypt(webhook.secret),
        webhook.session,
        None if webhook.events is None else to_json(webhook.events),
        webhook.enabled,
        webhook.created_at,
        webhook.updated_at,
        None if webhook.chats is None else to_json(webhook.chats),
        secrets.seal({name: value for name, value in private.items() if value}),
        webhook.timeout,
    )


ATTEMPTS = f"""
    SELECT a.event, a.attempt, a.at, a.seconds, a.delivered, a.status, a.error, a.answer, e.session, e.type, e.chat
    FROM rookery.webhooks AS w LEFT JOIN rookery.attempts AS a ON a.webhook = w.number
    LEFT JOIN rookery.events AS e ON e.id = a.event
    WHERE w.id = $1 ORDER BY a.number DESC LIMIT {ATTEMPTS_KEPT}"""  # noqa: S608
"""The kept attempts of a webhook, newest first; one row without an event for a webhook that has none."""

TIDY_ATTEMPTS = f"""
    DELETE FROM rookery.attempts WHERE webhook = (SELECT number FROM rookery.webhooks WHERE id = $1) AND number <= (
        SELECT a.number FROM rookery.attempts AS a JOIN rookery.webhooks AS w ON w.number = a.webhook
        WHERE w.id = $1 ORDER BY a.number DESC LIMIT 1 OFFSET {ATTEMPTS_KEPT})"""  # noqa: S608


def attempt_from_row(row: Row) -> DeliveryAttempt:
    """From a row of `ATTEMPTS`."""
    return DeliveryAttempt(
        event_id=row[0],
        attempt=row[1],
        at=row[2],
        seconds=row[3],
        delivered=bool(row[4]),
        status=row[5],
        error=row[6],
        answer=row[7],
        session=row[8],
        type=row[9],
        chat=row[10],
    )


def attempt_to_row(webhook: str, attempt: DeliveryAttempt) -> Row:
    """Webhook, event, attempt, at, seconds, delivered, status, error, answer."""
    return (
        webhook,
        attempt.event_id,
        attempt.attempt,
        attempt.at,
        attempt.seconds,
        attempt.delivered,
        attempt.status,
        attempt.error,
        attempt.answer,
    )


def dead_letter_from_row(row: Row) -> DeadLetter:
    """From (attempts, error, at) and `EVENT_COLUMNS`."""
    return DeadLetter(event_from_row(row[3:]), row[0], row[1], row[2])
