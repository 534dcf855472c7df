"""Attempts as operators see them: with the beginning of the endpoint's answer, but without secrets of this
installation."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from ..model.webhook import HIDDEN, Delivery, DeliveryAttempt, Webhook
from .post import authorization
from .transports.transport import Attempt

EXCERPT = 500
"""Maximum characters of an endpoint's answer that are kept and shown."""

SHORTEST_SECRET = 6
"""A shorter value of a header or of a URL's query is not hidden: it would hide ordinary text."""


def attempt_of(
    delivery: Delivery, attempt: Attempt, *, hidden: Sequence[str], at: float, seconds: float
) -> DeliveryAttempt:
    """The record of an attempt that began at `at` and took the endpoint `seconds` seconds. `hidden`: `secrets_of` its
    webhook."""
    return DeliveryAttempt(
        event_id=delivery.event.id,
        attempt=delivery.attempts + 1,
        at=at,
        seconds=seconds,
        delivered=attempt.delivered,
        status=attempt.status,
        error=attempt.error,
        answer=excerpt(attempt.answer, hidden),
    )


def excerpt(answer: bytes, hidden: Sequence[str]) -> str:
    """The beginning of an endpoint's answer as printable text, with `***` for every secret that it repeats."""
    if not answer:
        return ""
    text = answer.decode(errors="replace")
    for secret in hidden:
        text = text.replace(secret, HIDDEN)
    return "".join(sign if sign.isprintable() else " " for sign in text[:EXCERPT])


def secrets_of(webhook: Webhook) -> list[str]:
    """The secrets in the webhook's headers and address, the longest first."""
    import httpx  # with the first attempt, like the transports

    found = [webhook.secret, webhook.previous_secret or ""]
    for value in webhook.headers.values():
        found += [value, value.partition(" ")[2]]
    try:
        parts = urlsplit(webhook.url)
        found += [parts.password or "", unquote(parts.password or "")]
        found += [part.partition("=")[2] or part for part in parts.query.split("&")]
        found += [header.partition(" ")[2] for header in authorization(httpx.URL(webhook.url)).values()]
    except (ValueError, httpx.InvalidURL):
        pass
    return sorted({one for one in found if len(one) >= SHORTEST_SECRET}, key=len, reverse=True)
