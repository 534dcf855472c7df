"""Examples of the calls about chats."""

from __future__ import annotations

from typing import Any

from .example import Example

RECEIVED: dict[str, Any] = {
    "cursor": "1769860800.5~0~4711",
    "direction": "in",
    "message_id": "814",
    "time": "2026-01-31T12:00:00.000Z",
    "sender": "7",
    "sender_name": "Ann",
    "type": "text",
    "text": "Is it paid?",
    "content": {
        "message_id": "814",
        "kind": "text",
        "text": "Is it paid?",
        "chat_type": "private",
        "sender_name": "Ann",
    },
    "media": None,
    "state": None,
    "error": None,
    "reply_to": None,
    "reactions": [],
    "votes": [],
    "edited_at": None,
    "deleted_at": None,
    "event": 4711,
    "send": None,
}
SENT: dict[str, Any] = RECEIVED | {
    "cursor": "1769860801.25~1~12",
    "direction": "out",
    "message_id": "815",
    "time": "2026-01-31T12:00:01.000Z",
    "sender": None,
    "sender_name": None,
    "text": "Your order is paid.",
    "content": {"type": "text", "text": "Your order is paid.", "format": "plain", "preview": True},
    "state": "read",
    "reactions": [{"sender": "7", "emoji": "👍", "time": "2026-01-31T12:00:09.000Z"}],
    "votes": [],
    "event": None,
    "send": "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6d",
}
CHAT = {
    "chat": "7",
    "name": "Ann",
    "kind": "private",
    "last": SENT,
    "unread": 1,
    "last_at": "2026-01-31T12:00:01.250Z",
    "retention": None,
}

EXAMPLES = {
    "list_chats": Example(answers={200: {"chats": [CHAT], "next": None}}),
    "read_chat": Example(answers={200: {"messages": [SENT, RECEIVED], "next": None}}),
    "keep_chat": Example(
        bodies={"a month": {"retention": 2592000}}, answers={200: {"chat": "7", "retention": 2592000.0}}
    ),
    "erase_chat": Example(answers={200: {"chat": "7", "events": 120, "messages": 47, "files": 3}}),
}
