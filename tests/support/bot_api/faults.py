"""Faults for a simulated Bot API, and the outcome of a send under each."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery_simulator.bot_api import Fault


def fault(kind: str, **fields: Any) -> Fault:
    return Fault(kind=kind, **fields)  # type: ignore[arg-type]


def name_of(value: object) -> str | None:
    if isinstance(value, Fault):
        return f"{value.kind}-{value.status if value.kind in ('status', 'not_ok') else value.body[:20] or 'empty'}"
    return None


def struck(one: Fault, **fields: Any) -> Fault:
    """A fresh copy of a fault, for these requests."""
    return msgspec.structs.replace(one, hits=0, id=0, parameters=dict(one.parameters), **fields)


SENDS = [
    (fault("status", status=403), "failed", "bot was blocked by the user"),
    (fault("status", status=400, description="Bad Request: chat not found"), "failed", "chat not found"),
    (fault("not_ok", status=400), "failed", "something is wrong"),
    (fault("status", status=401), "sent", None),
    (fault("status", status=404), "failed", "Not Found"),
    (fault("status", status=421), "sent", None),
    (fault("status", status=413, description="Request Entity Too Large"), "failed", "Too Large"),
    (fault("status", status=500), "sent", None),
    (fault("status", status=302), "sent", None),
    (fault("status", status=429, retry_after=1), "sent", None),
    (fault("status", status=500, description="Internal Server Error"), "unknown", "500"),
    (fault("status", status=502), "unknown", "502"),
    (fault("status", status=504), "unknown", "504"),
    (fault("garbage"), "unknown", "not a Bot API answer"),
    (fault("drop"), "unknown", "closed the connection"),
    (fault("drop", reset=True), "unknown", "connection broke"),
    (fault("lost_answer"), "unknown", "closed the connection"),
    (fault("truncated"), "unknown", "before the answer was complete"),
    (fault("half_close", seconds=0.05), "unknown", "before the answer was complete"),
    (fault("delay", seconds=20), "unknown", "no answer within"),
]
