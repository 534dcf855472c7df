"""Examples of sends: one for each kind of message."""

from __future__ import annotations

from typing import Any

from .example import ByMediaType, Example

MESSAGE: dict[str, Any] = {
    "id": "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6d",
    "session": "shop",
    "to": "7",
    "type": "text",
    "content": {"type": "text", "text": "Your order is paid.", "format": "plain", "preview": True},
    "options": {},
    "state": "sent",
    "receipt": {"message_id": "815", "time": "2026-01-31T12:00:01.000Z", "chat": "7"},
    "error": None,
    "attempts": 1,
    "reply_to": None,
    "idempotency_key": "order-4711-paid",
    "created_at": "2026-01-31T12:00:00.000Z",
    "updated_at": "2026-01-31T12:00:01.000Z",
    "expires_at": "2026-02-01T12:00:00.000Z",
    "send_at": None,
}
UNDER_WAY = MESSAGE | {"state": "sending", "receipt": None, "updated_at": "2026-01-31T12:00:00.000Z"}
SCHEDULED = UNDER_WAY | {
    "state": "scheduled",
    "attempts": 0,
    "send_at": "2026-02-01T08:00:00.000Z",
    "expires_at": "2026-02-02T08:00:00.000Z",
}
CANCELLED = SCHEDULED | {"state": "cancelled", "updated_at": "2026-01-31T13:00:00.000Z"}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

CONTENTS: dict[str, Any] = {
    "text": {"to": "7", "text": "Your order is paid."},
    "formatted text": {"to": "7", "type": "text", "text": "Your order is <b>paid</b>.", "format": "html"},
    "reply": {"to": "7", "text": "You are welcome", "reply_to": "814"},
    "WhatsApp chat": {"to": "4915112345678", "text": "Your order is paid."},
    "for an hour only": {"to": "7", "text": "The shop is open", "ttl": 3600},
    "scheduled (a time that is past: now)": {"to": "7", "text": "Good morning", "send_at": "2026-02-01T08:00:00Z"},
    "image by address": {"to": "7", "type": "image", "url": "https://example.org/a.png", "caption": "The new shop"},
    "image": {"to": "7", "type": "image", "data": PIXEL, "filename": "pixel.png", "mime_type": "image/png"},
    "image that was uploaded": {"to": "7", "type": "image", "media": "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6e"},
    "video": {"to": "7", "type": "video", "url": "https://example.org/a.mp4"},
    "audio": {"to": "7", "type": "audio", "url": "https://example.org/a.mp3"},
    "voice": {"to": "7", "type": "voice", "url": "https://example.org/a.ogg"},
    "document": {"to": "7", "type": "document", "url": "https://example.org/a.pdf", "filename": "invoice.pdf"},
    "sticker": {"to": "7", "type": "sticker", "url": "https://example.org/a.webp"},
    "animation": {"to": "7", "type": "animation", "url": "https://example.org/a.gif"},
    "video note": {"to": "7", "type": "video_note", "media": "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6e"},
    "album": {
        "to": "7",
        "type": "album",
        "items": [
            {"type": "image", "url": "https://example.org/a.png", "caption": "The new shop"},
            {"type": "video", "url": "https://example.org/a.mp4"},
        ],
    },
    "paid media": {
        "to": "7",
        "type": "paid_media",
        "stars": 5,
        "items": [{"type": "image", "url": "https://example.org/a.png"}],
    },
    "forward": {"to": "7", "type": "forward", "from_chat": "-1001234567890", "message_id": "815"},
    "copy": {"to": "7", "type": "copy", "from_chat": "-1001234567890", "message_id": "815"},
    "dice": {"to": "7", "type": "dice", "emoji": "🎯"},
    "invoice": {
        "to": "7",
        "type": "invoice",
        "title": "Tea",
        "description": "A pot of tea",
        "payload": "order-4711",
        "currency": "XTR",
        "prices": [{"label": "Tea", "amount": 5}],
    },
    "pin": {"to": "7", "type": "pin", "message_id": "815"},
    "unpin": {"to": "7", "type": "unpin", "message_id": "815"},
    "location": {"to": "7", "type": "location", "latitude": 52.5163, "longitude": 13.3777, "name": "Our shop"},
    "contact": {"to": "7", "type": "contact", "name": "Support", "phone": "+4915112345678"},
    "poll": {"to": "7", "type": "poll", "question": "When?", "choices": ["Today", "Tomorrow"], "selectable": 1},
    "reaction": {"to": "7", "type": "reaction", "message_id": "814", "emoji": "👍"},
    "edit": {"to": "7", "type": "edit", "message_id": "815", "text": "Your order is paid and packed."},
    "edit of a caption": {"to": "7", "type": "edit", "message_id": "815", "caption": "The new shop is open"},
    "edit of a file": {
        "to": "7",
        "type": "edit",
        "message_id": "815",
        "media": {"type": "image", "url": "https://example.org/b.png"},
    },
    "delete": {"to": "7", "type": "delete", "message_id": "815"},
    "read": {"to": "7", "type": "read", "message_id": "814"},
    "vote": {"to": "+4915112345678", "type": "vote", "message_id": "3EB0A1B2C3D4", "choices": ["Today"]},
    "any method, stored": {
        "to": "7",
        "type": "telegram",
        "method": "sendInvoice",
        "params": {
            "title": "Tea",
            "description": "A pot of tea",
            "payload": "order-4711",
            "currency": "XTR",
            "prices": [{"label": "Tea", "amount": 5}],
        },
    },
    "typing": {"to": "7", "type": "typing"},
}
EXAMPLES = {
    "download_message_media": Example(
        answers={200: ByMediaType(dict.fromkeys(("application/octet-stream", "*/*"), "%PDF-1.7 and so on"))}
    ),
    "send_message": Example(bodies=CONTENTS, answers={200: MESSAGE, 202: SCHEDULED}),
    "call_telegram": Example(
        bodies={
            "answer a button": {"callback_query_id": "4382bfdwdsb323b2d9", "text": "Thank you"},
            "a file that was uploaded": {"chat_id": 7, "photo": "media:019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6e"},
        },
        answers={200: {"result": True}},
    ),
    "send_batch": Example(
        bodies={
            "two texts": {
                "messages": [
                    {"to": "7", "text": "Your order is paid.", "idempotency_key": "order-4711-paid"},
                    {"to": "8", "text": "Your order is on its way."},
                ]
            }
        },
        answers={200: {"messages": [UNDER_WAY, UNDER_WAY | {"to": "8", "idempotency_key": None}]}},
    ),
    "list_messages": Example(answers={200: {"messages": [SCHEDULED, MESSAGE], "next": None}}),
    "get_message": Example(answers={200: MESSAGE}),
    "cancel_message": Example(answers={200: CANCELLED}),
}
