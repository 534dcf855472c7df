"""The API's calls as requests, one function each. Both clients send these requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from .wire import Request, given, path

Json = dict[str, Any]
Types = str | Iterable[str] | None


def create_session(fields: Mapping[str, Any]) -> Request:
    return Request("POST", path("sessions"), json=given(**fields))


def get_session(id: str) -> Request:
    return Request("GET", path("sessions", id), repeatable=True)


def list_sessions(filters: Mapping[str, Any]) -> Request:
    return Request("GET", path("sessions"), params=filters, repeatable=True)


def change_session(id: str, fields: Mapping[str, Any]) -> Request:
    return Request("PATCH", path("sessions", id), json=given(**fields), repeatable=True)


def delete_session(id: str) -> Request:
    return Request("DELETE", path("sessions", id))


def steer(id: str, verb: str) -> Request:
    """`verb`: start, stop, restart, enable, disable, logout or retry."""
    return Request("POST", path("sessions", id, verb), repeatable=verb not in ("restart", "logout"))


def history(id: str) -> Request:
    return Request("GET", path("sessions", id, "history"), repeatable=True)


def send(session: str, message: Mapping[str, Any], *, wait: float, idempotency_key: str | None) -> Request:
    """Every send has an idempotency key, so that it can be repeated after a lost answer without a second message."""
    return Request(
        "POST",
        path("sessions", session, "messages"),
        params={"wait": wait},
        json=given(**message),
        headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        repeatable=True,
    )


def send_batch(session: str, messages: Iterable[Mapping[str, Any]]) -> Request:
    """Every message has its own idempotency key, as in `send`."""
    keyed = [{"idempotency_key": uuid4().hex, **given(**message)} for message in messages]
    return Request("POST", path("sessions", session, "messages", "batch"), json={"messages": keyed}, repeatable=True)


def get_message(id: str) -> Request:
    return Request("GET", path("messages", id), repeatable=True)


def cancel_message(id: str) -> Request:
    return Request("DELETE", path("messages", id), repeatable=True)


def read_events(after: int, filters: Mapping[str, Any]) -> Request:
    return Request("GET", path("events"), params={"after": after, **filters}, repeatable=True)


def follow_events(filters: Mapping[str, Any], *, last_id: int | None) -> Request:
    headers = {} if last_id is None else {"Last-Event-ID": str(last_id)}
    return Request("GET", path("events", "stream"), params=filters, headers=headers, repeatable=True)


def newest_event() -> Request:
    """A stream that ends at once, with the newest event if there is one."""
    return Request("GET", path("events", "stream"), params={"last": 1, "limit": 1, "timeout": 0}, repeatable=True)


def create_webhook(fields: Mapping[str, Any]) -> Request:
    return Request("POST", path("webhooks"), json=given(**fields))


def list_webhooks(session: str | None) -> Request:
    return Request("GET", path("webhooks"), params={"session": session}, repeatable=True)


def delete_webhook(id: str) -> Request:
    return Request("DELETE", path("webhooks", id), repeatable=True)


def call_platform(session: str, platform: str, method: str, params: Mapping[str, Any]) -> Request:
    return Request("POST", path("sessions", session, platform, method), json=dict(params))
