"""A client library for programs that use a Rookery server, from any thread or event loop.

    from rookery_client import Client

    with Client("http://127.0.0.1:8080", key) as rookery:
        for event in rookery.events(after=last_id, type="message"):
            rookery.send(event.session, event.chat, f"You wrote {event.text}")

`AsyncClient` is the same for asyncio and Trio. Each event type has its own class with a typed body (`typed_events`).
`verify` checks a webhook's deliveries. All errors are in `rookery_client.errors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import typed_events
    from .async_client import AsyncClient
    from .client import Client
    from .errors import BadSignature, ClientError, Refused, Unreachable
    from .events import Event
    from .webhooks import verify

__all__ = [
    "AsyncClient",
    "BadSignature",
    "Client",
    "ClientError",
    "Event",
    "Refused",
    "Unreachable",
    "typed_events",
    "verify",
]

# Importing httpx takes a tenth of a second, which a command that only prints its help should not spend.
_HOMES = {
    "AsyncClient": "async_client",
    "BadSignature": "errors",
    "Client": "client",
    "ClientError": "errors",
    "Event": "events",
    "Refused": "errors",
    "Unreachable": "errors",
    "verify": "webhooks",
}


def __getattr__(name: str) -> object:
    if name == "typed_events":
        return importlib.import_module(".typed_events", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
