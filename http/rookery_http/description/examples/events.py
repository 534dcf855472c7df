"""Examples of events, and of both ways to follow them."""

from __future__ import annotations

import json
from typing import Any

from .example import ByMediaType, Example

MESSAGE: dict[str, Any] = {
    "id": 4712,
    "session": "shop",
    "platform": "telegram",
    "type": "message",
    "key": "826431854",
    "time": "2026-01-31T12:00:00.000Z",
    "chat": "7",
    "sender": "7",
    "body": {"message_id": "814", "kind": "text", "text": "hello", "chat_type": "private", "sender_name": "Ann"},
    "raw": {"update_id": 826431854, "message": {"message_id": 814, "text": "hello", "chat": {"id": 7}}},
}
STREAM = f"id: {MESSAGE['id']}\nevent: {MESSAGE['type']}\ndata: {json.dumps(MESSAGE, separators=(',', ':'))}\n\n"

EXAMPLES = {
    "read_events": Example(answers={200: {"events": [MESSAGE], "next": 4712}}),
    "list_event_types": Example(
        answers={
            200: {
                "event_types": [
                    {
                        "type": "session.pairing_code",
                        "platform": None,
                        "summary": "A person has to type this code into the phone.",
                        "quiet": True,
                        "body": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
                    }
                ]
            }
        }
    ),
    "follow_events": Example(answers={200: ByMediaType({"text/event-stream": STREAM})}),
    "event_socket": Example(),
}
