"""Signs deliveries as the Standard Webhooks specification 1.0 says (standardwebhooks.com).

The signed text is `{id}.{timestamp}.{body}`; the algorithm is HMAC-SHA256, version `v1`.
"""

from __future__ import annotations

import base64
import hmac

from ..model.webhook import Delivery, Webhook
from .post import delivery_id

CONTENT_TYPES = {"cloudevents": "application/cloudevents+json"}
SIGNING_HEADERS = frozenset({"content-type", "content-length", "webhook-id", "webhook-timestamp", "webhook-signature"})
"""The headers that come with each body. A webhook's own headers replace none of them."""


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
