"""The calls, one module per subject. Importing this package fills `call_table.TABLE`."""

from . import (
    chats,
    events,
    instances,
    keys,
    media,
    messages,
    operations,
    pairing,
    pairing_page,
    platform_methods,
    service,
    sessions,
    sinks,
    webhooks,
    whatsapp,
)

__all__ = [
    "chats",
    "events",
    "instances",
    "keys",
    "media",
    "messages",
    "operations",
    "pairing",
    "pairing_page",
    "platform_methods",
    "service",
    "sessions",
    "sinks",
    "webhooks",
    "whatsapp",
]
