"""Webhooks and their dead letters."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import trio

from ..delivery.payload_forms import FORM_TYPES, FORMS
from ..delivery.transports.opening import kind_of, open_transport
from ..delivery.transports.transport import Attempt
from ..errors import InvalidInput, NotFound
from ..model.event import Event
from ..model.webhook import (
    HIDDEN,
    DeadLetter,
    Delivery,
    DeliveryAttempt,
    ReplayQuery,
    Webhook,
    WebhookFacts,
    shown_url,
)
from .catalogue import CatalogueFeatures
from .platform.chats import ChatNames
from .validation import (
    MAX_GRACE,
    check_chats,
    check_flag,
    check_headers,
    check_id,
    check_secret,
    check_session,
    check_timeout,
    check_url,
)

FORMATS = ("rookery", "cloudevents", *FORMS)
TEST_SECONDS = 15.0
"""Maximum seconds that a test of a webhook waits for its endpoint."""


class WebhookFeatures(CatalogueFeatures, ChatNames):
    """Each stored event is posted to the endpoints at least once, in order per chat."""

    async def create_webhook(
        self,
        *,
        url: str,
        session: str | None = None,
        events: Sequence[str] | None = None,
        chats: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - of the endpoint, not of this call
        secret: str | None = None,
        id: str | None = None,
        enabled: bool = True,
        replies: bool = False,
        format: str = "rookery",
    ) -> Webhook:
        """From now on the endpoint receives the events of `session` (None: of all) of `chats` (None: every one; in any
        form of their addresses) with a type in `events`: names, and patterns such as `session.*`; None: every type that
        is not quiet. Each delivery carries `headers`; `timeout` is in seconds. `replies`: an answer may contain
        messages to send (see `docs/webhooks.md`). `format` is that of the payload: `rookery`, `cloudevents` (1.0,
        structured), `waha` or `evolution`; with the last two, `events` defaults to the types that those gateways have.

        Without a `secret` one is generated; the returned object contains it. Raises InvalidInput, NotFound,
        AlreadyExists.
        """
        now = self._clock()
        webhook = Webhook(
            id=check_id(id) if id is not None else f"wh-{secrets.token_hex(6)}",
            url=check_url(url),
            secret=check_secret(secret) if secret is not None else new_secret(),
            session=session,
            events=self._checked_types(FORM_TYPES if events is None and format in FORMS else events),
            chats=await self.chat_forms(session, check_chats(chats)),
            headers=check_headers(headers or {}),
            timeout=check_timeout(timeout),
            enabled=enabled,
            replies=check_flag(replies),
            format=check_format(format),
            created_at=now,
            updated_at=now,
        )
        webhook = await self._store.create_webhook(webhook)
        self._signals.webhooks.fire()
        return webhook

    async def get_webhook(self, id: str) -> Webhook:
        """Raises NotFound."""
        found = await self._store.get_webhook(id)
        if found.is_sink:
            raise NotFound("webhook", id)
        return found

    async def list_webhooks(self, session: str | None = None) -> Sequence[Webhook]:
        """All webhooks, or those of one session."""
        return [found for found in await self._store.list_webhooks(session) if not found.is_sink]

    async def update_webhook(self, id: str, **changes: Any) -> Webhook:
        """Change `url`, `session` (None: all), `events`, `chats`, `headers`, `timeout`, `secret`, `enabled`, `replies` or
        `format`.

        Raises NotFound (also for the session), InvalidInput.

        Deliveries that already wait are still made, even if the change excludes their session, type or chat. A new
        `secret` replaces the old one at once; `rotate_secret` lets both sign for a while.
        """
        checks: dict[str, Callable[[object], Any]] = {
            "url": check_url,
            "session": check_session,
            "events": self._checked_types,
            "chats": check_chats,
            "headers": check_headers,
            "timeout": check_timeout,
            "secret": check_secret,
            "enabled": check_flag,
            "replies": check_flag,
            "format": check_format,
        }
        fields: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in checks:
                raise InvalidInput(f"{name}: only {', '.join(checks)} can be changed", field=name)
            fields[name] = checks[name](value)
        if "secret" in fields:
            fields |= {"previous_secret": None, "previous_until": None}
        before = self._readable(await self.get_webhook(id), fields)
        if "chats" in fields:
            session = fields.get("session", before.session)
            fields["chats"] = await self.chat_forms(session, fields["chats"])
        if HIDDEN in fields.get("url", ""):
            if fields["url"] != shown_url(before.url):
                raise InvalidInput(
                    f"url: {HIDDEN} hides a part of the stored address; send the whole address", field="url"
                )
            fields["url"] = before.url  # the URL as an answer showed it: the caller does not change it
        webhook = await self._store.update_webhook(msgspec.structs.replace(before, **fields, updated_at=self._clock()))
        self._signals.webhooks.fire()
        return webhook

    @staticmethod
    def _readable(webhook: Webhook, fields: dict[str, Any]) -> Webhook:
        """A webhook whose row cannot be read must be given every column that may be unreadable; otherwise nothing is
        changed."""
        if webhook.unreadable is not None:
            for name in ("url", "secret", "headers", "events", "chats"):
                if name not in fields:
                    raise InvalidInput(f"{name}: {webhook.unreadable}. Set it again", field=name)
        return msgspec.structs.replace(webhook, unreadable=None)

    async def test_webhook(self, id: str) -> tuple[Attempt, float]:
        """Post one event of type `test` over a separate connection. Returns the attempt and its duration in seconds.
        Nothing is stored, and the endpoint's answer is not carried out. Raises NotFound."""
        webhook = await self.get_webhook(id)
        now = self._clock()
        body = {"text": "a test of this webhook"}
        type = "message" if webhook.format in FORMS else "test"  # other gateways do not have the type `test`
        event = Event(0, webhook.session or "test", "test", type, secrets.token_hex(8), now, None, None, body, None)
        seconds = min(webhook.timeout or self.settings.webhook_timeout, TEST_SECONDS)
        began = trio.current_time()
        async with (
            open_transport(kind_of(webhook), self.settings, self._store.installation) as transport,
            transport.open_route(webhook, seconds=seconds) as route,
        ):
            attempt = await route.deliver(Delivery(webhook.id, event, "test"), now=now)
        return attempt, trio.current_time() - began

    async def rotate_secret(self, id: str, *, secret: str | None = None, grace: float | None = None) -> Webhook:
        """Sign with a new secret, generated if none is given. The old one also signs for `grace` seconds, so that
        receivers can be changed without losing a delivery. Raises NotFound, InvalidInput."""
        new = check_secret(secret) if secret is not None else new_secret()
        grace = self.settings.webhook_secret_grace if grace is None else grace
        if not 0 <= grace <= MAX_GRACE:
            raise InvalidInput(f"grace: seconds, 0 to {MAX_GRACE:g}", field="grace")
        now = self._clock()
        before = self._readable(await self.get_webhook(id), {})
        same = new == before.secret  # a repeated call must not drop the older of the two
        webhook = msgspec.structs.replace(
            before,
            secret=new,
            previous_secret=before.previous_secret if same else before.secret if grace else None,
            previous_until=before.previous_until if same else now + grace if grace else None,
            updated_at=now,
        )
        webhook = await self._store.update_webhook(webhook)
        self._signals.webhooks.fire()
        return webhook

    async def webhook_facts(self) -> Mapping[str, WebhookFacts]:
        """Delivery facts by webhook. Cheap to call as often as needed; where very many deliveries wait, the counts may
        be some seconds old."""
        return (await self._facts.read())[0]

    async def delete_webhook(self, id: str) -> None:
        """Delete a webhook and its pending deliveries. Raises NotFound."""
        await self.get_webhook(id)
        try:
            if not await self._store.delete_webhook(id):
                raise NotFound("webhook", id)
        finally:
            self._signals.webhooks.fire()  # when it fails, the webhook may be disabled

    async def dead_letters(self, webhook: str, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        """Deliveries that were given up, ordered by event id; `after` is exclusive. Raises NotFound."""
        await self.get_webhook(webhook)
        return await self._store.dead_letters(webhook, after=after, limit=limit)

    async def webhook_attempts(self, webhook: str) -> Sequence[DeliveryAttempt]:
        """The last 50 attempts to deliver to a webhook, newest first; they may be 2 s old. Raises NotFound."""
        await self.get_webhook(webhook)
        return await self._store.recent_attempts(webhook)

    async def replay(
        self,
        webhook: str,
        event_ids: Collection[int] | None = None,
        *,
        session: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> int:
        """Deliver dead letters again: all, or those of these events, of this session, given up at or after `since` and
        before `until`. Returns how many. Raises NotFound."""
        await self.get_webhook(webhook)
        ids = None if event_ids is None else tuple(event_ids)
        count = await self._store.replay(webhook, ReplayQuery(event_ids=ids, session=session, since=since, until=until))
        self._signals.webhooks.fire()
        return count


def new_secret() -> str:
    """24 random bytes in the form of the Standard Webhooks specification."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def check_format(value: object) -> str:
    """Check the format of the payload. Raises InvalidInput."""
    if not isinstance(value, str) or value not in FORMATS:
        raise InvalidInput(f"format: one of {', '.join(FORMATS)} is needed", field="format")
    return value
