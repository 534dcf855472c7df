"""The first page of every paged call of the API, and how long each takes on a short log and on a long one."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from lab.bulk_log import DAY
from lab.served import Served
from rookery_http.description.openapi import describe

CALLS = {
    "sessions": "/v1/sessions",
    "sessions, by status": "/v1/sessions?status=CONNECTED",
    "sessions, by platform": "/v1/sessions?platform=telegram&enabled=false",
    "history of a session": "/v1/sessions/session-3/history",
    "events": "/v1/events",
    "events, after the middle": "/v1/events?after={middle}",
    "events, before the middle": "/v1/events?before={middle}",
    "events, the newest": "/v1/events?before=9007199254740991",
    "events, since the middle": "/v1/events?since={noon}",
    "events, since now": "/v1/events?since={now}",
    "events, one session": "/v1/events?session=session-3",
    "events, the newest of a session": "/v1/events?session=session-3&before=9007199254740991",
    "events, a common type": "/v1/events?type=message",
    "events, a common type after the middle": "/v1/events?type=message&after={middle}",
    "events, the newest of a common type": "/v1/events?type=message&before=9007199254740991",
    "events, several types": "/v1/events?type=message,edited_message,absent",
    "events, a rare type": "/v1/events?type=poll.answer",
    "events, the newest of a rare type": "/v1/events?type=poll.answer&before=9007199254740991",
    "events, a rare type after the middle": "/v1/events?type=poll.answer&after={middle}",
    "events, a type that never was": "/v1/events?type=absent",
    "events, a quiet type that never was": "/v1/events?type=message.status",
    "events, session and rare type": "/v1/events?session=session-0&type=poll.answer",
    "events, session and absent type": "/v1/events?session=session-5&type=absent",
    "events, session and type of another": "/v1/events?session=session-5&type=poll.answer",
    "events, the newest of session and type": "/v1/events?session=session-5&type=message.file&before={middle}&limit=1",
    "events, session and pattern": "/v1/events?session=session-0&type=poll.*",
    "events, a pattern": "/v1/events?type=poll.*",
    "events, a pattern that never was": "/v1/events?type=absent.*",
    "events, absent session": "/v1/events?session=absent",
    "events, a common chat": "/v1/events?chat=busy-7&limit=5",
    "events, the newest of a common chat": "/v1/events?chat=busy-7&limit=5&before=9007199254740991",
    "events, the chat of a session": "/v1/events?session=session-1&chat=big",
    "events, a rare chat": "/v1/events?chat=rare",
    "events, an absent chat": "/v1/events?chat=absent",
    "events, session and absent chat": "/v1/events?session=session-5&chat=absent",
    "events, session, chat and rare type": "/v1/events?session=session-1&chat=big&type=poll.answer",
    "events, session, chat and type, since": "/v1/events?session=session-1&chat=big&type=message&since={noon}",
    "messages of a session": "/v1/sessions/session-3/messages",
    "messages of a session, before": "/v1/sessions/session-3/messages?before={number}",
    "messages, a rare state": "/v1/sessions/session-3/messages?state=failed",
    "messages, a common state": "/v1/sessions/session-3/messages?state=sent",
    "messages, an absent state": "/v1/sessions/session-3/messages?state=scheduled",
    "messages, an absent final state": "/v1/sessions/session-3/messages?state=expired",
    "messages, all that wait": "/v1/sessions/session-4/messages?state=queued,sending",
    "messages, rare state among queued ones": "/v1/sessions/session-4/messages?state=failed",
    "messages, a common chat": "/v1/sessions/session-3/messages?chat=busy-7&limit=5",
    "messages, an absent chat": "/v1/sessions/session-3/messages?chat=absent",
    "messages, chat and rare state": "/v1/sessions/session-3/messages?chat=busy-7&state=failed",
    "messages, chat and absent state": "/v1/sessions/session-3/messages?chat=busy-7&state=queued",
    "messages, since the middle": "/v1/sessions/session-3/messages?since={noon}",
    "messages, until the middle": "/v1/sessions/session-3/messages?until={noon}",
    "messages, until the beginning": "/v1/sessions/session-3/messages?until={dawn}",
    "messages, since now": "/v1/sessions/session-3/messages?since={now}",
    "messages, chat until the middle": "/v1/sessions/session-3/messages?chat=busy-7&until={noon}&limit=5",
    "messages, chat since now": "/v1/sessions/session-3/messages?chat=busy-7&since={now}",
    "messages, state until the middle": "/v1/sessions/session-3/messages?state=unknown&until={noon}&limit=4",
    "chats of a session": "/v1/sessions/session-3/chats",
    "chats of a session with one": "/v1/sessions/session-1/chats",
    "chats, a common name": "/v1/sessions/session-3/chats?q=person&limit=10",
    "chats, a name that never was": "/v1/sessions/session-3/chats?q=absent",
    "messages of a chat": "/v1/sessions/session-3/chats/busy-7/messages?limit=5",
    "messages of a long chat": "/v1/sessions/session-1/chats/big/messages",
    "messages of an absent chat": "/v1/sessions/session-3/chats/absent/messages",
    "dead letters": "/v1/webhooks/hook/dead-letters",
    "dead letters, after": "/v1/webhooks/hook/dead-letters?after={letter}",
    "no dead letters": "/v1/webhooks/slow/dead-letters",
    "attempts": "/v1/webhooks/hook/attempts",
    "media": "/v1/media",
    "media, before the middle": "/v1/media?before={file}",
    "media, by session": "/v1/media?session=session-3",
    "media, by state": "/v1/media?state=failed",
    "media, by absent state": "/v1/media?state=waiting",
    "media, by origin": "/v1/media?origin=uploaded",
    "media, by session and state": "/v1/media?session=session-3&state=failed",
    "media, of an absent session": "/v1/media?session=absent",
    "media, by session, origin and state": "/v1/media?session=session-8&state=failed&origin=uploaded",
    "keys": "/v1/keys",
    "audit": "/v1/audit",
    "audit, by session": "/v1/audit?session=session-3",
    "audit, by absent session": "/v1/audit?session=absent",
    "audit, by key": "/v1/audit?key=key-7&limit=10",
    "audit, by absent key": "/v1/audit?key=absent",
    "audit, by session and key": "/v1/audit?session=session-3&key=key-7&limit=2",
    "audit, by session and absent key": "/v1/audit?session=session-3&key=absent",
    "logs": "/v1/logs",
}
"""Paged calls by what they ask for."""

COUNTS = {
    "webhooks": "/v1/webhooks",
    "a webhook": "/v1/webhooks/slow",
    "overview": "/v1/overview",
    "metrics": "/metrics",
    "health": "/v1/health",
    "ready": "/readyz",
    "instances": "/v1/instances",
    "doctor": "/v1/doctor",
}
"""Calls that tell how much there is; they have no pages."""

FOLLOWED = {"/v1/events/stream", "/v1/events/ws"}
SAME = {"/v1/sinks/{id}/dead-letters": "/v1/webhooks/{id}/dead-letters"}
"""Calls that read the same rows by the same statement as another one."""


def forgotten(calls: Iterable[str]) -> list[str]:
    """Calls of the API that are paged and not among these."""
    paged = {
        SAME.get(path, path)
        for path, methods in describe()["paths"].items()
        for parameter in methods.get("get", {}).get("parameters", [])
        if parameter.get("name") == "limit"
    }
    measured = [call.partition("?")[0] for call in calls]
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paged - FOLLOWED}
    return sorted(path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, measured)))


def places(events: int, finished: int, letters: int, media: int, now: float) -> dict[str, object]:
    """What stands for the words in braces, for a log that `bulk_log.furnish` made at `now`."""

    def instant(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    return {
        "middle": events // 2,
        "noon": instant(now - 5 * DAY),
        "dawn": instant(now - 8 * DAY - 60),
        "now": instant(now),
        "number": finished * 5,
        "letter": events - letters // 2,
        "file": media // 2,
    }


async def time_calls(
    calls: dict[str, str], servers: Sequence[tuple[Served, dict[str, object]]], runs: int
) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each call on each server, in turn: the median and the least."""
    taken: dict[str, list[list[float]]] = {name: [[] for _ in servers] for name in calls}
    for run in range(runs + 1):
        for name, call in calls.items():
            for (served, values), times in zip(servers, taken[name], strict=True):
                path = call.format(**values)
                began = time.perf_counter()
                answer = await served.api.get(path)
                if answer.status_code != 200:
                    raise SystemExit(f"{path}: {answer.status_code} {answer.text}")
                if run:  # the first one reads the disk
                    times.append(1000 * (time.perf_counter() - began))
    return {name: [(statistics.median(times), min(times)) for times in each] for name, each in taken.items()}
