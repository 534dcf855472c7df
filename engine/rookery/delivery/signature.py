"""Signs deliveries as the Standard Webhooks specification 1.0 says (standardwebhooks.com).

The signed text is `{id}.{timestamp}.{body}`; the algorithm is HMAC-SHA256, version `v1`.
"""

from __future__ import annotations

import base64
import hmac
from binascii import b2a_base64

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
        self._key = _Key(webhook.secret)
        self._previous = _Key(webhook.previous_secret) if webhook.previous_secret else None
        self._previous_until = webhook.previous_until or 0.0
        self._type = CONTENT_TYPES.get(webhook.format, "application/json").encode()

    def headers(self, delivery: Delivery, body: bytes, now: float) -> dict[str, str]:
        """The headers that sign the body; their names are `SIGNING_HEADERS`."""
        lines = self.lines(delivery, body, now).decode().split("\r\n")[:-1]
        return {name: value for name, _, value in (line.partition(": ") for line in lines)}

    def lines(self, delivery: Delivery, body: bytes, now: float) -> bytes:
        """The same headers as lines of an HTTP request."""
        id, second = delivery_id(delivery).encode(), b"%d" % now
        signed = b"%b.%b.%b" % (id, second, body)
        signature = self._key.sign(signed)
        if self._previous is not None and self._previous_until > now:
            signature = b"%b %b" % (signature, self._previous.sign(signed))
        return (
            b"content-type: %b\r\ncontent-length: %d\r\nwebhook-id: %b\r\nwebhook-timestamp: %b\r\nwebhook-signature: %b\r\n"
            % (self._type, len(body), id, second, signature)
        )


class _Key:
    """HMAC-SHA256 with one secret. What depends on the secret alone is hashed once and copied for each message."""

    def __init__(self, secret: str) -> None:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==")  # superfluous padding is ignored
        if not key:
            raise ValueError("the webhook's secret is empty")
        self._begun = hmac.new(key, digestmod="sha256")

    def sign(self, text: bytes) -> bytes:
        """The signature with its version, as the header has it."""
        mac = self._begun.copy()
        mac.update(text)
        return b"v1," + b2a_base64(mac.digest(), newline=False)
