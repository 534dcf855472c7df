"""One signed POST of one event, and what its answer means.

Signature and headers follow the Standard Webhooks specification 1.0 (standardwebhooks.com).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import msgspec
import trio
from standardwebhooks import Webhook as Signer

from ..errors import printable
from ..model import Delivery, Webhook
from ..model.document import event_document, iso
from .transport import EndpointTransport

_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, frozen=True):
    """`delivered`, or why not; `gone` when the endpoint wants no more (410); `retry_after` seconds if it said so.
    `status` is that of HTTP, None without an answer."""

    delivered: bool
    error: str | None = None
    gone: bool = False
    retry_after: float | None = None
    status: int | None = None


def request_body(delivery: Delivery) -> bytes:
    """`{"type", "timestamp", "data"}` as JSON. The same event gives the same bytes on every attempt."""
    event = delivery.event
    return _encoder.encode({"type": event.type, "timestamp": iso(event.time), "data": event_document(event)})


def request_headers(webhook: Webhook, delivery: Delivery, body: bytes, now: float) -> dict[str, str]:
    """`webhook-id` is stable across attempts, so that a receiver can recognise a repetition."""
    id = f"evt_{delivery.event.id}"
    stamp = datetime.fromtimestamp(int(now), UTC)
    secrets = [webhook.secret]
    if webhook.previous_secret and (webhook.previous_until or 0.0) > now:
        secrets.append(webhook.previous_secret)
    return {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "webhook-id": id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(
            Signer(secret).sign(msg_id=id, timestamp=stamp, data=body.decode()) for secret in secrets
        ),
    }


class _Body(httpx.AsyncByteStream):
    """The body in one piece. httpx's own is a generator, which a server that hangs up leaves unfinished."""

    def __init__(self, body: bytes) -> None:
        self._pieces = iter((body,))

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


def open_transport(*, allow_private: bool) -> httpx.AsyncBaseTransport:
    """Connections to every endpoint. A transport and not a client: a client logs each URL, and URLs may hold secrets (E4)."""
    return EndpointTransport(allow_private=allow_private)


async def post(
    transport: httpx.AsyncBaseTransport, webhook: Webhook, delivery: Delivery, *, now: float, seconds: float
) -> Answer:
    """Deliver once. Never raises for what the endpoint does; `seconds` cover everything, body included."""
    body = request_body(delivery)
    with trio.move_on_after(seconds) as scope:
        try:
            url = httpx.URL(webhook.url)
            request = httpx.Request(
                "POST",
                url.copy_with(username=None, password=None),
                stream=_Body(body),
                headers={"host": url.netloc.decode(), "user-agent": "Rookery"}
                | _authorization(url)
                | {name.lower(): value for name, value in webhook.headers.items()}
                | request_headers(webhook, delivery, body, now),
            )
            response = await transport.handle_async_request(request)
            stream = response.stream
            assert isinstance(stream, httpx.AsyncByteStream)
            try:
                # A short body is read so that the connection can be used again; nobody looks at it. Leaving the loop of a
                # long one would leave generators behind for the garbage collector, and it complains.
                received = 0
                with trio.CancelScope() as enough:
                    async for chunk in stream:
                        received += len(chunk)
                        if received > 65_536:
                            enough.cancel()
            finally:
                await stream.aclose()
        except Exception as error:  # whatever a stranger's server makes a library raise: one failed delivery
            return Answer(False, printable(f"{type(error).__name__}: {error}")[:500])
    if scope.cancelled_caught:
        return Answer(False, f"no answer within {seconds:g} s")
    if response.is_success:
        return Answer(True, status=response.status_code)
    return Answer(
        False,
        f"answered {response.status_code}",
        gone=response.status_code == 410,
        retry_after=_retry_after(response.headers.get("retry-after"), now),
        status=response.status_code,
    )


def _authorization(url: httpx.URL) -> dict[str, str]:
    """`user:password@` of a URL as a header (RFC 7617)."""
    if not url.username and not url.password:
        return {}
    return {"authorization": "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()}


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3); nonsense counts as absent."""
    if value is None:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, seconds), 86_400.0)
