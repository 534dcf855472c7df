"""The body of a delivery, and how an endpoint's answer to it is interpreted."""

from __future__ import annotations

import base64
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ..model.document import EventDocument
from ..model.webhook import Delivery, event_id
from ..runtime.http_answer import HttpAnswer
from .payload_forms import FORMS, payload_of
from .transports.transport import Attempt

if TYPE_CHECKING:
    import httpx

_encoder = msgspec.json.Encoder()
_NO_TEXT = re.compile(
    f"[\0-\x1f\x7f-\x9f\ufdd0-\ufdef{''.join(f'{chr(n)}{chr(n + 1)}' for n in range(0xFFFE, 0x110000, 0x10000))}]"
)
"""Characters that no attribute of a CloudEvent may hold: control characters and noncharacters."""


def request_body(delivery: Delivery, format: str = "rookery", *, installation: str = "") -> bytes:
    """`{"type", "timestamp", "data"}` as JSON, or a CloudEvent with the event as its `data`, whose `source` names the
    installation: each database counts its events from 1.

    The same event gives the same bytes on every attempt.
    """
    event = EventDocument.of(delivery.event)
    if format == "cloudevents":
        return _encoder.encode(
            {
                "specversion": "1.0",
                "id": delivery_id(delivery),
                "source": f"/rookery/{installation}/sessions/{quote(event.session, safe='')}",
                "type": f"rookery.{event.type}",
                "subject": _NO_TEXT.sub("\ufffd", event.chat or event.session),
                "time": event.time,
                "datacontenttype": "application/json",
                "data": event,
            }
        )
    return _encoder.encode({"type": event.type, "timestamp": event.time, "data": event})


def formed_body(delivery: Delivery, format: str, *, installation: str) -> bytes | None:
    """The body in the webhook's format; None when the format of another gateway cannot express this event."""
    if format not in FORMS:
        return request_body(delivery, format, installation=installation)
    payload = payload_of(format, delivery.event)
    return None if payload is None else _encoder.encode(payload)


def delivery_id(delivery: Delivery) -> str:
    """An id that is the same on every attempt and with every transport, so that a receiver can recognise a
    repetition."""
    return event_id(delivery.event)


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
