"""One signed POST of one event, and what its answer means.

Signature and headers follow the Standard Webhooks specification 1.0 (standardwebhooks.com).
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec
import trio
from standardwebhooks import Webhook as Signer

from ..documents import event_document, iso
from ..model import Delivery, Webhook

_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """`delivered`, or why not; `gone` when the endpoint wants no more (410); `retry_after` seconds if it said so."""

    delivered: bool
    error: str | None = None
    gone: bool = False
    retry_after: float | None = None


def request_body(delivery: Delivery) -> bytes:
    """`{"type", "timestamp", "data"}` as JSON. The same event gives the same bytes on every attempt."""
    event = delivery.event
    return _encoder.encode({"type": event.type, "timestamp": iso(event.time), "data": event_document(event)})


def request_headers(webhook: Webhook, delivery: Delivery, body: bytes, now: float) -> dict[str, str]:
    """`webhook-id` is stable across attempts, so that a receiver can recognise a repetition."""
    id = f"evt_{delivery.event.id}"
    stamp = datetime.fromtimestamp(int(now), UTC)
    return {
        "content-type": "application/json",
        "user-agent": "Rookery",
        "webhook-id": id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": Signer(webhook.secret).sign(msg_id=id, timestamp=stamp, data=body.decode()),
    }


async def post(
    client: httpx.AsyncClient, webhook: Webhook, delivery: Delivery, *, now: float, seconds: float
) -> Answer:
    """Deliver once. Never raises for what the endpoint does; `seconds` cover everything, body included."""
    body = request_body(delivery)
    with trio.move_on_after(seconds) as scope:
        try:
            async with client.stream(
                "POST", webhook.url, content=body, headers=request_headers(webhook, delivery, body, now)
            ) as response:
                # A short body is read so that the connection can be used again; nobody looks at it.
                received = 0
                async for chunk in response.aiter_raw():
                    received += len(chunk)
                    if received > 65_536:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Answer(False, f"{type(error).__name__}: {error}"[:500])
    if scope.cancelled_caught:
        return Answer(False, f"no answer within {seconds:g} s")
    if response.is_success:
        return Answer(True)
    return Answer(
        False,
        f"answered {response.status_code}",
        gone=response.status_code == 410,
        retry_after=_retry_after(response.headers.get("retry-after"), now),
    )


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3); nonsense counts as absent."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), 86_400.0)
