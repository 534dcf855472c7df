"""Which transport carries the events of an endpoint: its URL's scheme decides."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

from ..model.webhook import Webhook
from ..settings import EngineSettings
from .http_transport import open_http_transport
from .transport import Transport


def kind_of(webhook: Webhook) -> str:
    """The name of the transport that the webhook needs."""
    scheme = urlsplit(webhook.url).scheme.lower()
    return "http" if scheme == "https" else scheme


def open_transport(kind: str, settings: EngineSettings) -> AbstractAsyncContextManager[Transport]:
    """The transport of this kind, for as long as the block runs. Raises ValueError for a kind that does not exist."""
    if kind == "http":
        return open_http_transport(allow_private=settings.webhook_allow_private)
    raise ValueError(f"no transport for {kind!r}")
