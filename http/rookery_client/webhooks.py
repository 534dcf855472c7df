"""The receiving end of a webhook: verifies a delivery and reads its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import BadSignature
from .events import Event
from .wire import typed_event


def verify(body: bytes | str, headers: Mapping[str, str], secret: str) -> Event:
    """Check a delivery's signature and age (Standard Webhooks 1.0, five minutes) and return its event.

    `headers` are those of the request, in any case. A delivery may come again: remember `webhook-id` (or the event's id)
    and drop repetitions.

    Raises:
        BadSignature: the signature or the time is wrong, or the body is not an event in Rookery's own format.
    """
    from standardwebhooks import Webhook, WebhookVerificationError
    from standardwebhooks.webhooks import EmptyWebhookSecretError

    try:
        checker = Webhook(secret)
    except (ValueError, RuntimeError, EmptyWebhookSecretError):
        raise BadSignature("this is not a webhook secret: those begin with whsec_") from None
    try:
        document: Any = checker.verify(body, {name.lower(): value for name, value in headers.items()})
    except (WebhookVerificationError, ValueError) as error:
        raise BadSignature(str(error) or "the signature does not match the secret") from None
    try:
        return typed_event(document["data"])
    except (ValueError, KeyError, TypeError):
        raise BadSignature("the body is signed, but it is not an event in Rookery's own format") from None
