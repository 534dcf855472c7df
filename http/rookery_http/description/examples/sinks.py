"""Examples of the calls about sinks."""

from __future__ import annotations

from typing import Any

from .example import Example
from .webhooks import ATTEMPT, LETTER

SINK: dict[str, Any] = {
    "id": "sk-5f2c9a71d3e8",
    "url": "nats://127.0.0.1:4222",
    "target": "rookery.{session}.{type}",
    "commands": None,
    "session": None,
    "events": None,
    "chats": None,
    "timeout": None,
    "enabled": True,
    "created_at": "2026-01-30T08:15:00.000Z",
    "updated_at": "2026-01-30T08:15:00.000Z",
    "pending": 0,
    "dead": 0,
    "oldest_pending_at": None,
    "last_success_at": "2026-01-31T12:00:01.000Z",
    "last_error": None,
    "last_error_at": None,
    "delivered": 12345,
    "failed": 3,
    "deliveries_per_second": 4.2,
    "latency_p50": 0.002,
    "latency_p99": 0.011,
    "lag": 0.0,
    "commands_accepted": 0,
    "commands_refused": 0,
    "last_command_error": None,
    "last_command_error_at": None,
}
NEW = SINK | {
    "last_success_at": None,
    "delivered": 0,
    "failed": 0,
    "deliveries_per_second": 0.0,
    "latency_p50": None,
    "latency_p99": None,
}

EXAMPLES = {
    "create_sink": Example(
        bodies={
            "NATS JetStream": {"url": "nats://127.0.0.1:4222"},
            "events out, sends in": {"url": "nats://127.0.0.1:4222", "commands": "commands.send"},
            "RabbitMQ": {
                "url": "amqp://user:password@127.0.0.1:5672/?exchange=chats",
                "target": "{session}.{type}",
                "events": ["message"],
            },
            "Redis Streams": {"url": "redis://127.0.0.1:6379/0?maxlen=100000", "target": "events:{session}"},
        },
        answers={201: NEW},
    ),
    "list_sinks": Example(answers={200: {"sinks": [SINK]}}),
    "get_sink": Example(answers={200: SINK}),
    "update_sink": Example(
        bodies={"pause": {"enabled": False}, "another subject": {"target": "bots.{session}.{type}"}},
        answers={200: SINK | {"enabled": False}},
    ),
    "delete_sink": Example(answers={200: {"id": "sk-5f2c9a71d3e8", "deleted": True}}),
    "test_sink": Example(answers={200: {"delivered": True, "error": None, "seconds": 0.012}}),
    "sink_attempts": Example(answers={200: {"attempts": [ATTEMPT | {"status": None, "answer": ""}]}}),
    "sink_dead_letters": Example(answers={200: {"dead_letters": [LETTER], "next": None}}),
    "replay_sink": Example(bodies={"all": {}, "some": {"event_ids": [4712, 4713]}}, answers={202: {"replayed": 1}}),
}
