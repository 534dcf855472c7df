"""Chooses the transport that carries an endpoint's events by the scheme of its URL.

The code of a transport, with its libraries, is loaded with the first endpoint that needs it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from urllib.parse import urlsplit

from ...errors import InvalidInput
from ...model.webhook import Webhook
from ...runtime.trust import tls_context
from ...settings import EngineSettings
from ..brokers.target import KINDS
from .transport import Transport


def kind_of(webhook: Webhook) -> str:
    """The name of the transport that the webhook needs."""
    scheme = urlsplit(webhook.url).scheme.lower()
    return KINDS.get(scheme, "http" if scheme == "https" else scheme)


def open_transport(kind: str, settings: EngineSettings, installation: str) -> AbstractAsyncContextManager[Transport]:
    """Opens the transport of this kind for as long as the block runs. `installation` is the store's name for itself.

    Raises ValueError for an unknown kind, InvalidInput where its library is not installed.
    """
    match kind:
        case "http":
            from .http import open_http_transport

            return open_http_transport(
                installation=installation,
                allow_private=settings.webhook_allow_private,
                ca_bundle=settings.ca_bundle,
            )
        case "nats" | "amqp" | "redis":
            return _open_broker(kind, partial(tls_context, settings.ca_bundle), installation)
    raise ValueError(f"no transport for {kind!r}")


def _open_broker(
    kind: str, tls: Callable[[], ssl.SSLContext], installation: str
) -> AbstractAsyncContextManager[Transport]:
    try:
        if kind == "nats":
            from ..brokers.nats import open_nats_transport

            return open_nats_transport(tls, installation)
        if kind == "amqp":
            from ..brokers.amqp import open_amqp_transport

            return open_amqp_transport(tls)
        from ..brokers.redis import open_redis_transport

        return open_redis_transport(tls)
    except ModuleNotFoundError as error:
        text = f"sinks of this kind need {error.name}: install Rookery with its extra `{kind}`"
        raise InvalidInput(text, field="url") from None
