"""The records that the simulator keeps of a bot's calls."""

from __future__ import annotations

from typing import Any

import msgspec


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One call that took effect. `text` is the text or caption, `files` the names and sizes of what was uploaded."""

    number: int
    at: float
    method: str
    chat_id: int
    message_id: int | None
    text: str
    parameters: dict[str, Any]
    files: dict[str, tuple[str, int]]


class Webhook(msgspec.Struct):
    """A webhook that a client has set; the simulator never calls it."""

    url: str
    max_connections: int = 40
    ip_address: str = ""
    secret_token: str = ""
