"""Examples of the calls about the service itself."""

from __future__ import annotations

from .example import Example

HEALTH = {
    "instance": "rookery-7d9f",
    "started_at": "2026-01-30T08:15:00.000Z",
    "ready": True,
    "store": "postgresql",
    "sessions": {"telegram": {"CONNECTED": 119, "RECONNECTING": 1}, "whatsapp": {"QR_REQUIRED": 1}},
    "running": 121,
    "connected": 119,
    "pending_deliveries": 0,
    "dead_letters": 1,
    "clock_skew": 0.012,
    "warnings": [],
}

EXAMPLES = {
    "healthz": Example(answers={200: {"status": "ok"}}),
    "readyz": Example(answers={200: {"status": "ready"}}),
    "health": Example(answers={200: HEALTH}),
    "openapi": Example(
        answers={200: {"openapi": "3.1.0", "info": {"title": "Rookery", "version": "0.1.0"}, "paths": {}}}
    ),
    "asyncapi": Example(
        answers={200: {"asyncapi": "3.0.0", "info": {"title": "Rookery", "version": "0.1.0"}, "channels": {}}}
    ),
    "docs": Example(),
}
