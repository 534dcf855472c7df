"""Examples of the calls about webhooks."""

from __future__ import annotations

from typing import Any

from .events import MESSAGE
from .example import Example

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"  # noqa: S105 - an example
WEBHOOK: dict[str, Any] = {
    "id": "wh-5f2c9a71d3e8",
    "url": "https://example.org/rookery",
    "session": "shop",
    "events": ["message"],
    "chats": None,
    "headers": {},
    "timeout": None,
    "enabled": True,
    "replies": False,
    "format": "rookery",
    "previous_secret_until": None,
    "created_at": "2026-01-30T08:15:00.000Z",
    "updated_at": "2026-01-30T08:15:00.000Z",
    "pending": 0,
    "dead": 0,
    "oldest_pending_at": None,
    "last_success_at": "2026-01-31T12:00:01.000Z",
    "last_error": None,
    "last_error_at": None,
    "last_status": 204,
    "delivered": 12345,
    "failed": 3,
    "deliveries_per_second": 4.2,
    "latency_p50": 0.021,
    "latency_p99": 0.36,
    "lag": 0.0,
}
NEW = WEBHOOK | {
    "last_success_at": None,
    "last_status": None,
    "delivered": 0,
    "failed": 0,
    "deliveries_per_second": 0.0,
    "latency_p50": None,
    "latency_p99": None,
    "secret": SECRET,
}
ATTEMPT = {
    "event": 4711,
    "session": "shop",
    "type": "message",
    "chat": "7",
    "attempt": 1,
    "at": "2026-01-31T12:00:00.500Z",
    "seconds": 0.021,
    "delivered": True,
    "status": 200,
    "error": None,
    "answer": "ok",
}
LETTER = {
    "event": MESSAGE,
    "attempts": 12,
    "error": "the endpoint answered 500",
    "at": "2026-01-31T18:00:00.000Z",
}

EXAMPLES = {
    "test_webhook": Example(
        answers={200: {"delivered": True, "status": 200, "error": None, "seconds": 0.042, "answer": "ok"}}
    ),
    "create_webhook": Example(
        bodies={
            "all events": {"url": "https://example.org/rookery"},
            "messages of one session": {
                "url": "https://example.org/rookery",
                "session": "shop",
                "events": ["message", "edited_message"],
            },
            "everything": {
                "id": "orders",
                "url": "https://example.org/rookery",
                "session": "shop",
                "events": ["message"],
                "chats": ["4915112345678"],
                "headers": {"Authorization": "Bearer of-your-endpoint"},
                "timeout": 5,
                "secret": SECRET,
            },
        },
        answers={201: NEW},
    ),
    "list_webhooks": Example(answers={200: {"webhooks": [WEBHOOK]}}),
    "get_webhook": Example(answers={200: WEBHOOK}),
    "update_webhook": Example(
        bodies={"pause": {"enabled": False}, "every event": {"events": None}, "every session": {"session": None}},
        answers={200: WEBHOOK | {"enabled": False}},
    ),
    "rotate_webhook_secret": Example(
        bodies={"made by the server": {}, "yours, with an hour to change over": {"secret": SECRET, "grace": 3600}},
        answers={200: NEW | {"previous_secret_until": "2026-02-01T12:00:00.000Z"}},
    ),
    "delete_webhook": Example(answers={200: {"id": "wh-5f2c9a71d3e8", "deleted": True}}),
    "webhook_attempts": Example(answers={200: {"attempts": [ATTEMPT]}}),
    "dead_letters": Example(answers={200: {"dead_letters": [LETTER], "next": None}}),
    "replay": Example(
        bodies={
            "all": {},
            "some": {"event_ids": [4712, 4713]},
            "of one day": {"since": "2026-01-31T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
        },
        answers={202: {"replayed": 1}},
    ),
}
