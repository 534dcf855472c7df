"""Which transport carries the events of an endpoint: its URL's scheme decides."""

from __future__ import annotations

import ssl
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import httpx

from ..errors import InvalidInput
from ..model.webhook import Webhook
from ..settings import EngineSettings
from .brokers.target import KINDS
from .http_transport import open_http_transport
from .transport import Transport


def kind_of(webhook: Webhook) -> str:
    """The name of the transport that the webhook needs."""
    scheme = urlsplit(webhook.url).scheme.lower()
    return KINDS.get(scheme, "http" if scheme == "https" else scheme)


def open_transport(kind: str, settings: EngineSettings) -> AbstractAsyncContextManager[Transport]:
    """The transport of this kind, for as long as the block runs.

    Raises ValueError for a kind that does not exist, InvalidInput where its library is not installed.
    """
    match kind:
        case "http":
            return open_http_transport(allow_private=settings.webhook_allow_private)
        case "nats" | "amqp" | "redis":
            return _open_broker(kind)
    raise ValueError(f"no transport for {kind!r}")


def _open_broker(kind: str) -> AbstractAsyncContextManager[Transport]:
    try:
        if kind == "nats":
            from .brokers.nats import open_nats_transport

            return open_nats_transport(_tls)
        if kind == "amqp":
            from .brokers.amqp import open_amqp_transport

            return open_amqp_transport(_tls)
        from .brokers.redis import open_redis_transport

        return open_redis_transport(_tls)
    except ModuleNotFoundError as error:
        raise InvalidInput(f"sinks of this kind need {error.name}: install rookery[{kind}]", field="url") from None


def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
