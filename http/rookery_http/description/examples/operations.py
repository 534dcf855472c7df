"""Examples of the calls that operate on all sessions."""

from __future__ import annotations

from typing import Any

from .example import ByMediaType, Example

CHECK = {"session": "shop", "kind": "deep", "ok": True, "latency": 0.042, "error": None}
PROCESS: dict[str, Any] = {
    "id": "engine",
    "pid": 7,
    "unique": 61865984,
    "limit": 2147483648,
    "level": "ok",
    "sessions": [],
    "growth": 12288.0,
}
MEMORY = {
    "at": "2026-01-31T12:00:00.000Z",
    "total": 138412032,
    "limit": 2147483648,
    "level": "ok",
    "growth": 12288.0,
    "engine": PROCESS,
    "workers": [PROCESS | {"id": "worker-1", "pid": 23, "limit": 524288000, "sessions": ["support"], "growth": None}],
}
INSTANCE = {
    "name": "rookery-7d9f",
    "draining": False,
    "sessions": 120,
    "capacity": 500,
    "started_at": "2026-01-30T08:15:00.000Z",
    "answering": True,
}
DRAINED = {"instance": "rookery-7d9f", "handed_over": 120, "left": 0, "others": 2, "seconds": 3.4}
TASK = {"depth": 1, "name": "session shop", "waits_at": "rookery_telegram/link.py:120", "waits_in": "poll"}
EXPOSITION = '# TYPE rookery_sessions gauge\nrookery_sessions{platform="telegram",status="CONNECTED"} 3.0\n'

OVERVIEW = {
    "now": "2026-01-31T12:00:30.000Z",
    "connected": 37,
    "needs_you": 1,
    "on_the_way": 2,
    "down": 0,
    "disabled": 4,
    "waiting_sends": 12,
    "waiting_sessions": ["shop"],
    "undelivered": 3,
    "dead_letters": 0,
    "lag": 0.4,
    "instances": [
        {
            "instance": "rookery-0:1:9f2c1a",
            "draining": False,
            "sessions": 40,
            "connected": 37,
            "memory": 268_435_456,
            "memory_limit": 2_147_483_648,
            "disk_free": 53_687_091_200,
            "disk_total": 107_374_182_400,
        }
    ],
    "silent": [],
    "minutes": [
        {
            "at": "2026-01-31T12:00:00.000Z",
            "received": 412,
            "sent": 398,
            "failed": 1,
            "delivered": 409,
            "refused": 0,
            "changes": 2,
        }
    ],
}

LOG_LINE = {
    "number": 812,
    "at": "2026-01-31T12:00:00.000Z",
    "level": "WARNING",
    "component": "RECONNECT",
    "text": "the connection is lost",
    "fields": {"session": "shop", "delay": "4.2"},
    "trace": None,
}
SETTING = {
    "name": "ROOKERY_PORT",
    "group": "API",
    "value": "9000",
    "default": "8080",
    "unit": "",
    "meaning": "Port of the API; 0: a free one, printed at start.",
    "changed": True,
    "secret": False,
}
SETTINGS = {"version": "1.0.0", "python": "3.13.5", "sqlite": "3.46.1", "store": "sqlite", "settings": [SETTING]}
FINDING = {
    "subject": "memory",
    "level": "warning",
    "detail": "the container has 512 MiB, ROOKERY_MEMORY_LIMIT says 2048",
    "advice": "the lower one counts",
}

EXAMPLES = {
    "read_log": Example(answers={200: {"lines": [LOG_LINE], "next": 812}}),
    "list_settings": Example(answers={200: SETTINGS}),
    "doctor": Example(answers={200: {"verdict": "warning", "findings": [FINDING]}}),
    "overview": Example(answers={200: OVERVIEW}),
    "check_health": Example(
        bodies={"all that run here": {}, "one": {"sessions": ["shop"]}}, answers={200: {"checks": [CHECK]}}
    ),
    "memory": Example(answers={200: MEMORY}),
    "check_memory": Example(answers={200: MEMORY}),
    "check_recovery": Example(answers={200: {"started": ["shop"]}}),
    "check_cleaner": Example(answers={200: {"released": []}}),
    "debug_tasks": Example(answers={200: {"tasks": [TASK]}}),
    "terminate_inactive": Example(answers={200: {"terminated": ["old-shop"]}}),
    "list_instances": Example(answers={200: {"instances": [INSTANCE]}}),
    "drain": Example(bodies={"wait a minute": {"timeout": 60}}, answers={200: DRAINED}),
    "metrics": Example(
        answers={200: ByMediaType({"text/plain": EXPOSITION, "application/openmetrics-text": f"{EXPOSITION}# EOF\n"})}
    ),
}
