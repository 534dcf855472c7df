"""Webhooks and their dead letters."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from ..errors import InvalidInput, NotFound
from ..model import DeadLetter, Webhook
from ..parts import EngineParts
from .validation import check_id, check_text, check_url


class WebhookFeatures(EngineParts):
    """Endpoints are posted each stored event at least once, in order per chat."""

    async def create_webhook(
        self,
        *,
        url: str,
        session: str | None = None,
        events: Sequence[str] | None = None,
        secret: str | None = None,
        id: str | None = None,
        enabled: bool = True,
    ) -> Webhook:
        """From now on the endpoint gets the events of `session` (None: of all) with a type in `events` (None: every type).

        Without a `secret` one is made; it is in the returned object. Raises InvalidInput, NotFound, AlreadyExists.
        """
        now = self._clock()
        webhook = Webhook(
            id=check_id(id) if id is not None else f"wh-{secrets.token_hex(6)}",
            url=check_url(url),
            secret=check_secret(secret) if secret is not None else new_secret(),
            session=session,
            events=check_types(events),
            enabled=enabled,
            created_at=now,
            updated_at=now,
        )
        webhook = await self._store.create_webhook(webhook)
        self._signals.webhooks.fire()
        return webhook

    async def get_webhook(self, id: str) -> Webhook:
        """Raises NotFound."""
        return await self._store.get_webhook(id)

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        """All, or those of one session."""
        return await self._store.list_webhooks(session)

    async def update_webhook(self, id: str, **changes: Any) -> Webhook:
        """Change `url`, `events`, `secret` or `enabled`. Raises NotFound, InvalidInput."""
        checks: dict[str, Callable[[object], Any]] = {
            "url": check_url,
            "events": check_types,
            "secret": check_secret,
            "enabled": _check_flag,
        }
        fields: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in checks:
                raise InvalidInput(f"{name}: only {', '.join(checks)} can be changed", field=name)
            fields[name] = checks[name](value)
        before = await self._store.get_webhook(id)
        webhook = await self._store.update_webhook(msgspec.structs.replace(before, **fields, updated_at=self._clock()))
        self._signals.webhooks.fire()
        return webhook

    async def delete_webhook(self, id: str) -> None:
        """With everything on its way to it. Raises NotFound."""
        if not await self._store.delete_webhook(id):
            raise NotFound("webhook", id)
        self._signals.webhooks.fire()

    async def dead_letters(self, webhook: str, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        """Deliveries that were given up, ordered by event id; `after` is exclusive. Raises NotFound."""
        return await self._store.dead_letters(webhook, after=after, limit=limit)

    async def replay(self, webhook: str, event_ids: Collection[int] | None = None) -> int:
        """Deliver dead letters again: all, or these. Returns how many. Raises NotFound."""
        count = await self._store.replay(webhook, event_ids=event_ids, now=self._clock())
        self._signals.webhooks.fire()
        return count


def new_secret() -> str:
    """24 random bytes in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def check_secret(value: object) -> str:
    """`whsec_` and base64 of 24 to 64 bytes (Standard Webhooks). Raises InvalidInput, without the secret."""
    message = "secret: `whsec_` followed by base64 of 24 to 64 random bytes is needed"
    if not isinstance(value, str) or not value.startswith("whsec_"):
        raise InvalidInput(message, field="secret")
    try:
        length = len(base64.b64decode(value[6:], validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInput(message, field="secret") from None
    if not 24 <= length <= 64:
        raise InvalidInput(message, field="secret")
    return value


def check_types(value: object) -> tuple[str, ...] | None:
    """Event types to deliver. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not 1 <= len(value) <= 100:
        raise InvalidInput("events: a list of 1 to 100 event types, or none for all", field="events")
    return tuple(check_text(item, "events", least=1, most=64) for item in value)


def _check_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("enabled: true or false", field="enabled")
    return value
