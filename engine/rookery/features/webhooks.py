"""Webhooks and their dead letters."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import trio

from ..delivery.payload_forms import FORM_TYPES, FORMS
from ..delivery.transport import Attempt
from ..delivery.transports import kind_of, open_transport
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
from .validation import check_flag, check_id, check_text, check_url

TEST_SECONDS = 15.0
FORMATS = ("rookery", "cloudevents", *FORMS)
MAX_GRACE = 30 * 86_400.0
MAX_TIMEOUT = 300.0
MAX_HEADERS = 20
RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    }
)
"""Headers that control where a request goes and where it ends; `webhook-...`, which identifies the sender, is reserved
as well."""

HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"
HEADER_VALUE = r"^[ -~]{0,4096}$"


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

        What already waits is delivered whatever the change says about sessions, types and chats. A new `secret` replaces
        the old one at once; `rotate_secret` lets both sign for a while.
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
                raise InvalidInput(f"url: write what {HIDDEN} stands for; it is only shown so", field="url")
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
                    raise InvalidInput(f"{name}: {webhook.unreadable}. Give it anew", field=name)
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
            open_transport(kind_of(webhook), self.settings) as transport,
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
        if not await self._store.delete_webhook(id):
            raise NotFound("webhook", id)
        self._signals.webhooks.fire()

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


def check_session(value: object) -> str | None:
    """Check the session whose events are delivered. Raises InvalidInput."""
    return None if value is None else check_text(value, "session", least=1)


def check_chats(value: object) -> tuple[str, ...] | None:
    """Check the chats whose events are delivered. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence) or not 1 <= len(value) <= 1000:
        raise InvalidInput("chats: a list of 1 to 1000 chats, or none for all", field="chats")
    return tuple(check_text(item, "chats", least=1) for item in value)


def check_headers(value: object) -> dict[str, str]:
    """Check the headers of a webhook's deliveries. The message contains no value, which may be secret. Raises
    InvalidInput."""
    if not isinstance(value, Mapping) or len(value) > MAX_HEADERS:
        raise InvalidInput(f"headers: an object of at most {MAX_HEADERS} texts by name", field="headers")
    for name, text in value.items():
        if not isinstance(name, str) or not re.fullmatch(HEADER_NAME[1:-1], name):
            raise InvalidInput("headers: a name has 1 to 64 letters, digits and a few signs", field="headers")
        if name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
            raise InvalidInput(f"headers: {name} is set by Rookery", field="headers")
        if not isinstance(text, str) or not re.fullmatch(HEADER_VALUE[1:-1], text):
            raise InvalidInput(f"headers.{name}: up to 4096 printable ASCII characters", field="headers")
    if len({name.lower() for name in value}) < len(value):
        raise InvalidInput("headers: a name is given twice", field="headers")
    return dict(value)


def check_timeout(value: object) -> float | None:
    """Check the seconds for one delivery. Raises InvalidInput."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_TIMEOUT:
        raise InvalidInput(f"timeout: seconds, more than 0 and at most {MAX_TIMEOUT:g}", field="timeout")
    return float(value)


def check_format(value: object) -> str:
    """Check the format of the payload. Raises InvalidInput."""
    if not isinstance(value, str) or value not in FORMATS:
        raise InvalidInput(f"format: one of {', '.join(FORMATS)} is needed", field="format")
    return value
