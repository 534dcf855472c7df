"""Examples of the calls about keys."""

from __future__ import annotations

from typing import Any

from .example import Example

KEY: dict[str, Any] = {
    "id": "backend",
    "name": "The shop's backend",
    "scopes": ["read", "send"],
    "sessions": ["shop"],
    "rate": 20.0,
    "created_at": "2026-01-30T08:15:00.000Z",
    "expires_at": None,
    "last_used_at": "2026-01-31T12:00:00.000Z",
}
ENTRY = {
    "id": 99,
    "at": "2026-01-31T12:00:00.000Z",
    "key": "backend",
    "call": "send_message",
    "session": "shop",
    "target": None,
    "outcome": 200,
    "client": "198.51.100.7",
}

EXAMPLES = {
    "create_key": Example(
        bodies={
            "for one session": {
                "id": "backend",
                "name": "The shop's backend",
                "scopes": ["read", "send"],
                "sessions": ["shop"],
                "rate": 20,
            },
            "to look for a week": {"scopes": ["read"], "expires_in": 604800},
        },
        answers={201: KEY | {"last_used_at": None, "key": "rk_of-no-server-0123456789abcdefghijklmnopqrst"}},
    ),
    "list_keys": Example(answers={200: {"keys": [KEY], "next": None}}),
    "get_key": Example(answers={200: KEY}),
    "revoke_key": Example(answers={200: {"id": "backend", "deleted": True}}),
    "read_audit": Example(answers={200: {"entries": [ENTRY], "next": None}}),
}
