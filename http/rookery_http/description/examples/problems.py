"""Examples of problems. For an error of the engine, the code that makes the real problem makes the example too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rookery import errors

from ...call_table import Call
from ...output.problems import Problem, from_error, invalid, plain_problem
from .directory import EXAMPLES as DIRECTORY

THINGS = {
    "sessions": ("session", "shop"),
    "messages": ("message", "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6d"),
    "webhooks": ("webhook", "wh-5f2c9a71d3e8"),
    "sinks": ("sink", "sk-5f2c9a71d3e8"),
    "keys": ("key", "backend"),
    "events": ("event", "4711"),
    "media": ("media", "019c1410-5f00-7c3a-9b1e-2f6d3a4b5c6e"),
}
"""By the second part of a path: the kind of thing that its id is of, and an id."""

_LIMIT = errors.LimitReached("MAX_CONCURRENT_SESSIONS is 500, and 500 are enabled", limit="MAX_CONCURRENT_SESSIONS")
PAIRING = ("session_qr", "session_pairing_code", "request_pairing_code", "logout_session", "show_pairing_page")
"""Calls that ask the instance that runs the session."""
_SILENT = errors.OwnerUnavailable("the instance that runs the session does not answer", may_have_happened=True)
_OTHER = Problem(409, "other-platform", "Not for telegram", "credentials: unknown field `account`", field="credentials")
_HEADER = Problem(409, "reserved-header", "Reserved header", "headers: Rookery itself sets Webhook-Id", field="headers")
_UNUSABLE = Problem(422, "unusable-sink", "Unusable sink", "url: the address names no host", field="url")
_ELSEWHERE = errors.StoredElsewhere("the file 'event-4711' is in a directory of another instance")
_FULL = errors.StorageFull("the file cannot be written: there is no room left")
_PART = Problem(416, "range-not-satisfiable", "Range not satisfiable", "the file has 48213 bytes")
_OTHER_PLATFORM = Problem(
    409,
    "not-supported",
    "Not supported by the platform",
    "sessions of telegram have no such directory of people and groups",
)
_EXPIRED = errors.MediaExpired("expired: the platform does not keep the file any more")
_AWAY = errors.NotConnected("the session 'shop' is not connected")
_UNTYPED = "name the file's type in Content-Type, such as image/png; application/octet-stream is any"
_PROBLEMS: Mapping[tuple[str, int], errors.RookeryError | Problem] = {
    ("create_session", 409): errors.AlreadyExists("session", "shop"),
    ("update_session", 409): _OTHER,
    ("show_pairing_page", 404): Problem(
        404, "link-expired", "Link expired", "ask for a new link: this one was used or has expired"
    ),
    ("show_pairing_page", 429): Problem(
        429, "rate-limited", "Rate limited", "this link may make 5 requests a second", headers={"Retry-After": "1"}
    ),
    ("session_qr", 406): Problem(406, "not-acceptable", "Not acceptable", "known forms: application/json, image/png"),
    ("session_pairing_code", 409): Problem(
        409, "no-pairing-code", "No pairing code", "no pairing code was requested, or it has expired"
    ),
    ("session_qr", 409): Problem(409, "no-qr-code", "No QR code", "the session has no QR code to scan now"),
    ("request_pairing_code", 409): errors.NotConnected("the session does not wait to be paired"),
    ("send_message", 409): errors.NotConnected("the session 'shop' is disabled"),
    ("send_message", 422): Problem(422, "not-sent", "Not sent", "Bad Request: chat not found"),
    ("send_message", 429): errors.Busy("1000 sends of the session 'shop' are waiting"),
    ("send_message", 504): errors.OutcomeUnknown("the database did not answer in time"),
    ("call_telegram", 403): errors.MethodForbidden("getUpdates cannot be called: Rookery polls this bot"),
    ("call_telegram", 404): errors.NotFound("method", "sendMesage"),
    ("call_telegram", 409): errors.NotConnected("the session 'shop' is RECONNECTING (NETWORK)"),
    ("call_telegram", 422): errors.CallRefused("Bad Request: chat not found", error_code=400),
    ("call_telegram", 429): errors.SendRateLimited("Too Many Requests: retry after 5", retry_after=5.0),
    ("leave_telegram_server", 409): errors.NotConnected("the session 'shop' is RECONNECTING (NETWORK)"),
    ("leave_telegram_server", 422): errors.CallRefused("Bad Request: nope", error_code=400),
    ("leave_telegram_server", 429): errors.SendRateLimited("Too Many Requests: retry after 600", retry_after=600.0),
    ("leave_telegram_server", 504): errors.OutcomeUnknown("no answer from the Bot API within 25 s"),
    ("call_telegram", 504): errors.OutcomeUnknown("no answer from the Bot API within 25 s"),
    ("send_batch", 504): errors.OutcomeUnknown("the database did not answer in time"),
    ("cancel_message", 409): errors.TooLate("the message is sent and cannot be cancelled any more"),
    ("event_socket", 426): Problem(426, "upgrade-required", "Upgrade required", "ask for a WebSocket"),
    **{
        (name, 409): errors.UnknownCursor(4_000_000_000_000_000, 1041)
        for name in ("read_events", "follow_events", "event_socket")
    },
    ("create_webhook", 404): errors.NotFound("session", "shop"),
    ("create_webhook", 409): errors.AlreadyExists("webhook", "orders"),
    ("update_webhook", 409): _HEADER,
    ("create_sink", 404): errors.NotFound("session", "shop"),
    ("create_sink", 409): errors.AlreadyExists("sink", "orders"),
    **{(name, 422): _UNUSABLE for name in ("create_sink", "update_sink")},
    **{(name, 409): _AWAY for name in ("download_media", "download_event_media", "fetch_event_media")},
    **{(name, 409): _OTHER_PLATFORM for name in DIRECTORY},
    **{
        (name, 422): errors.PlatformRefused("WhatsApp refused: info query returned status 403: forbidden")
        for name in DIRECTORY
    },
    **{(name, 504): errors.OutcomeUnknown("the platform did not answer within 25 s") for name in DIRECTORY},
    **{(name, 410): _EXPIRED for name in ("download_media", "download_event_media", "fetch_event_media")},
    **{(name, 416): _PART for name in ("download_media", "download_event_media")},
    **{(name, 421): _ELSEWHERE for name in ("download_media", "download_event_media", "fetch_event_media")},
    **{(name, 507): _FULL for name in ("upload_media", "fetch_event_media")},
    ("upload_media", 404): errors.NotFound("session", "shop"),
    ("upload_media", 408): Problem(408, "timeout", "Request timeout", "nothing arrived for 30 s"),
    ("upload_media", 411): Problem(411, "length-required", "Length required", "send Content-Length, or chunks"),
    ("upload_media", 413): errors.MediaTooLarge(104_857_600),
    ("upload_media", 415): Problem(415, "unsupported-media-type", "Unsupported media type", _UNTYPED),
    ("create_key", 409): errors.AlreadyExists("key", "backend"),
    ("check_health", 404): errors.NotFound("session", "shop"),
    ("drain", 409): Problem(409, "not-shared", "Not shared", "with SQLite there is no other instance"),
    ("readyz", 503): Problem(503, "not-ready", "Not ready", "the engine is starting or stopping"),
    **{(f"{verb}_session", 429): _LIMIT for verb in ("create", "update", "start", "restart", "enable")},
    **{(name, 504): _SILENT for name in PAIRING},
}
_ERROR_ID = "5f2c9a71d3e8b604"
_SHARED: Mapping[int, errors.RookeryError | Problem] = {
    401: Problem(401, "unauthorized", "Unauthorized", "send the header Authorization: Bearer KEY"),
    403: Problem(403, "forbidden", "Forbidden", "this key lacks the scope manage"),
    408: Problem(408, "timeout", "Request timeout", "the body did not arrive within 30 s"),
    413: Problem(413, "too-large", "Too large", "the body is larger than 262144 bytes"),
    415: Problem(415, "unsupported-media-type", "Unsupported media type", "send application/json, not 'text/plain'"),
    429: Problem(429, "rate-limited", "Rate limited", "this key may make 100 requests a second"),
    500: Problem(
        500,
        "internal-error",
        "Internal error",
        f"an unexpected error; the server's log has it under {_ERROR_ID}",
        error_id=_ERROR_ID,
    ),
    503: errors.StoreUnavailable("the database does not answer"),
}
"""Problems that many calls share."""


def id_of(row: Call) -> str:
    """An id for the path of a call."""
    return THINGS[row.path.split("/")[2]][1]


def problem_example(row: Call, status: int, words: str) -> Any:
    """The example document; `words` is the call's own description of this status."""
    problem = _PROBLEMS.get((row.name, status))
    if problem is None and status == 404 and row.takes_id:
        problem = errors.NotFound(*THINGS[row.path.split("/")[2]])
    if problem is None and status == 400:
        problem = _bad_input(row)
    return _document(problem, status, words)


def shared_example(status: int) -> Any:
    """The example document of a problem that many calls share."""
    return _document(_SHARED[status], status, "")


def _document(problem: errors.RookeryError | Problem | None, status: int, words: str) -> Any:
    if isinstance(problem, errors.RookeryError):
        problem = from_error(problem)
    if problem is None:
        return msgspec.json.decode(plain_problem(status, words))
    return msgspec.to_builtins(problem.document)


def _bad_input(row: Call) -> Problem:
    if row.query is not None and "limit" in row.query.__struct_fields__:
        return invalid("limit: Expected `int` <= 500", "limit")
    if row.body is not None:
        return invalid("colour: Object contains unknown field `colour`", "colour")
    return invalid("unknown query parameter 'x'; known here: none", "x")
