"""Examples of parameters in paths, queries and headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANY_ID = "shop"
_OF_ONE_CALL = {
    ("list_messages", "state"): "queued,sending",
    ("list_chats", "after"): "1769860800.0~7",
    ("list_chats", "q"): "ann",
    ("read_chat", "q"): "parcel",
    ("read_chat", "before"): "1769860800.0~0~4711",
    ("read_audit", "key"): "backend",
    ("list_keys", "after"): "backend",
}
_BY_NAME = {
    "before": 4711,
    "chat": "7",
    "enabled": True,
    "filename": "invoice.pdf",
    "last": 10,
    "limit": 100,
    "origin": "inbound",
    "link": "AbCdEfGhIjKlMnOpQrStUv",
    "platform": "telegram",
    "q": "bob",
    "state": "stored",
    "status": "CONNECTED",
    "strict": True,
    "timeout": 30,
    "wait": 10,
}
_NUMBER = 4711
"""The number of an event, or of anything else that is numbered."""


def parameter_example(operation: str, name: str, schema: Mapping[str, Any]) -> Any:
    """A valid value; None when no example is defined, which fails a test."""
    known = _OF_ONE_CALL.get((operation, name), _BY_NAME.get(name))
    if known is not None:
        return known
    if given := schema.get("examples"):
        return given[0]
    return _NUMBER if schema.get("type") == "integer" else None
