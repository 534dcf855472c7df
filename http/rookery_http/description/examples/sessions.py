"""Examples of the calls about sessions."""

from __future__ import annotations

from typing import Any

from .example import ByMediaType, Example

NEW = {"id": "shop", "name": "The shop's bot", "metadata": {"customer": 4711}}
"""The fields that a new session has on every platform."""

SESSION: dict[str, Any] = {
    "id": "shop",
    "platform": "telegram",
    "name": "The shop's bot",
    "enabled": True,
    "status": "CONNECTED",
    "reason": "CONNECTED",
    "detail": "connected as @shop_bot",
    "since": "2026-01-31T12:00:00.000Z",
    "action": "none",
    "last_error": None,
    "next_retry_at": None,
    "owner": "rookery-7d9f",
    "proof_of_life": {
        "last_pong": "2026-01-31T12:04:50.000Z",
        "last_inbound": "2026-01-31T12:03:11.000Z",
        "last_ack": "2026-01-31T12:03:12.000Z",
        "last_probe": "2026-01-31T12:04:00.000Z",
        "probe_latency": 0.042,
    },
    "account": {"id": "4711", "username": "shop_bot", "name": "The shop"},
    "limited_until": None,
    "has_credentials": True,
    "settings": {"takeover": False},
    "metadata": {"customer": 4711},
    "created_at": "2026-01-30T08:15:00.000Z",
    "updated_at": "2026-01-31T12:00:00.000Z",
}
STARTING = SESSION | {
    "status": "INITIALIZING",
    "reason": "STARTING",
    "detail": "connecting",
    "since": "2026-01-30T08:15:00.000Z",
    "owner": None,
    "proof_of_life": None,
    "account": None,
    "updated_at": "2026-01-30T08:15:00.000Z",
}
CREATED = STARTING | {"status": "DISCONNECTED", "reason": "CREATED", "detail": "not started yet"}
STOPPED = SESSION | {
    "enabled": False,
    "status": "DISCONNECTED",
    "reason": "DISABLED",
    "detail": "stopped by an operator",
    "owner": None,
    "proof_of_life": None,
    "account": None,
}
LOGGED_OUT = STOPPED | {"reason": "LOGOUT", "detail": "logged out by an operator", "has_credentials": False}
WAITING = SESSION | {
    "id": "support",
    "platform": "whatsapp",
    "name": "Support",
    "status": "QR_REQUIRED",
    "reason": "PAIRING",
    "detail": "waits for a person to scan the QR code",
    "action": "scan_qr",
    "proof_of_life": None,
    "account": None,
    "settings": {},
    "metadata": {},
}
HISTORY = {
    "history": [
        {
            "status": "CONNECTED",
            "reason": "CONNECTED",
            "detail": "connected as @shop_bot",
            "at": "2026-01-31T12:00:00.000Z",
        },
        {
            "status": "RECONNECTING",
            "reason": "NETWORK",
            "detail": "the network failed; next attempt in 7.2 s",
            "at": "2026-01-31T11:59:52.000Z",
        },
    ]
}
DELETION = {"id": "shop", "deleted": True, "was_running": True, "logged_out": None, "detail": "deleted"}
QR_CODE = {"code": "2@Zm9yIGEgcGhvbmU,c2Vzc2lvbg==,a2V5,aWRlbnRpdHk=", "expires_at": "2026-01-31T12:00:20.000Z"}
PAIRING_CODE = {"code": "ABCD-1234", "expires_at": "2026-01-31T12:02:40.000Z"}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 57 57"><path d="M4 4h7v7H4z"/></svg>'

EXAMPLES = {
    "create_session": Example(answers={201: CREATED}),  # what to send depends on the platform
    "list_sessions": Example(answers={200: {"sessions": [SESSION, WAITING], "next": "support"}}),
    "get_session": Example(answers={200: SESSION}),
    "update_session": Example(
        bodies={
            "rename": {"name": "The shop's new bot"},
            "metadata": {"metadata": {"customer": 4712, "tags": ["vip"]}},
            "disable": {"enabled": False},
        },
        answers={200: SESSION | {"name": "The shop's new bot"}},
    ),
    "delete_session": Example(answers={200: DELETION}),
    "start_session": Example(answers={202: STARTING}),
    "stop_session": Example(answers={202: STOPPED}),
    "restart_session": Example(answers={202: STARTING | {"reason": "RESTARTING"}}),
    "enable_session": Example(answers={202: STARTING}),
    "disable_session": Example(answers={202: STOPPED}),
    "logout_session": Example(answers={202: LOGGED_OUT}),
    "leave_telegram_server": Example(
        bodies={"from Telegram's own server": {"method": "logOut"}, "from one of your own": {"method": "close"}},
        answers={200: STOPPED},
    ),
    "retry_session": Example(answers={202: STARTING}),
    "session_history": Example(answers={200: HISTORY}),
    "session_qr": Example(
        answers={
            200: ByMediaType({"application/json": QR_CODE, "image/svg+xml": SVG, "text/plain": "█▀▀▀▀▀█ ▄ █▀▀▀▀▀█\n"})
        }
    ),
    "create_pair_link": Example(
        bodies={"for ten minutes": {"expires_in": 600}},
        answers={200: {"path": "/pair/kDbn0aX3c2hvcAHOZVPxAA", "expires_at": "2026-01-31T12:10:00.000Z"}},
    ),
    "show_pairing_page": Example(),
    "session_pairing_code": Example(answers={200: PAIRING_CODE}),
    "request_pairing_code": Example(bodies={"phone": {"phone": "+4915112345678"}}, answers={200: PAIRING_CODE}),
}
