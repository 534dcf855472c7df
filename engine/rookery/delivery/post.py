"""Turns one event into a signed POST and interprets the answer.

Signature and headers follow the Standard Webhooks specification 1.0 (standardwebhooks.com).
"""

from __future__ import annotations

import base64
import hmac
import re
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx
import msgspec

from ..model.document import EventDocument
from ..model.webhook import Delivery, Webhook, event_id
from ..runtime.http_answer import HttpAnswer
from .payload_forms import FORMS, payload_of
from .transport import Attempt

CONTENT_TYPES = {"cloudevents": "application/cloudevents+json"}
SIGNING_HEADERS = frozenset({"content-type", "content-length", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""The headers that come with each body. A webhook's own headers replace none of them."""

_encoder = msgspec.json.Encoder()
_NO_TEXT = re.compile(
    f"[\0-\x1f\x7f-\x9f\ufdd0-\ufdef{''.join(f'{chr(n)}{chr(n + 1)}' for n in range(0xFFFE, 0x110000, 0x10000))}]"
)
"""Characters that no attribute of a CloudEvent may hold: control characters and noncharacters."""


def request_body(delivery: Delivery, format: str = "rookery") -> bytes:
    """`{"type", "timestamp", "data"}` as JSON, or a CloudEvent with the event as its `data`.

    The same event gives the same bytes on every attempt.
    """
    event = EventDocument.of(delivery.event)
    if format == "cloudevents":
        return _encoder.encode(
            {
                "specversion": "1.0",
                "id": delivery_id(delivery),
                "source": f"/rookery/sessions/{quote(event.session, safe='')}",
                "type": f"rookery.{event.type}",
                "subject": _NO_TEXT.sub("\ufffd", event.chat or event.session),
                "time": event.time,
                "datacontenttype": "application/json",
                "data": event,
            }
        )
    return _encoder.encode({"type": event.type, "timestamp": event.time, "data": event})


def formed_body(delivery: Delivery, format: str) -> bytes | None:
    """The body in the webhook's format; None where another gateway's format has none for this event."""
    if format not in FORMS:
        return request_body(delivery, format)
    payload = payload_of(format, delivery.event)
    return None if payload is None else _encoder.encode(payload)


def delivery_id(delivery: Delivery) -> str:
    """An id that is the same on every attempt and with every transport, so that a receiver can recognise a
    repetition."""
    return event_id(delivery.event)


class Signer:
    """Signs the deliveries of one webhook; what they share is computed once.

    Raises ValueError for a secret that is not base64 or is empty.
    """

    def __init__(self, webhook: Webhook) -> None:
        self._key = _signing_key(webhook.secret)
        self._previous = _signing_key(webhook.previous_secret) if webhook.previous_secret else None
        self._previous_until = webhook.previous_until or 0.0
        self._type = CONTENT_TYPES.get(webhook.format, "application/json")

    def headers(self, delivery: Delivery, body: bytes, now: float) -> dict[str, str]:
        """The headers that sign the body; their names are `SIGNING_HEADERS`."""
        id, second = delivery_id(delivery), str(int(now))
        return {
            "content-type": self._type,
            "content-length": str(len(body)),
            "webhook-id": id,
            "webhook-timestamp": second,
            "webhook-signature": self._signature(f"{id}.{second}.".encode() + body, now),
        }

    def lines(self, delivery: Delivery, body: bytes, now: float) -> bytes:
        """The same headers as lines of an HTTP request."""
        return "".join([f"{name}: {value}\r\n" for name, value in self.headers(delivery, body, now).items()]).encode()

    def _signature(self, signed: bytes, now: float) -> str:
        if self._previous is None or self._previous_until <= now:
            return _signature(self._key, signed)
        return f"{_signature(self._key, signed)} {_signature(self._previous, signed)}"


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _signing_key(secret: str) -> bytes:
    key = base64.b64decode(secret.removeprefix("whsec_") + "==")  # superfluous padding is ignored
    if not key:
        raise ValueError("the webhook's secret is empty")
    return key


def judge(answer: HttpAnswer, now: float) -> Attempt:
    """Interpret an endpoint's answer as the result of the delivery."""
    if 200 <= answer.status < 300:
        return Attempt(True, status=answer.status, answer=answer.body)
    return Attempt(
        False,
        f"answered {answer.status}",
        gone=answer.status == 410,
        retry_after=_retry_after(answer.headers.get(b"retry-after"), now),
        status=answer.status,
        answer=answer.body,
    )


def authorization(url: httpx.URL) -> dict[str, str]:
    """The `user:password@` of a URL as a header (RFC 7617)."""
    if not url.username and not url.password:
        return {}
    return {"authorization": "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()}


def _retry_after(header: bytes | None, now: float) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3); an invalid value counts as absent."""
    if header is None:
        return None
    try:
        value = header.decode()
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), 86_400.0)
