"""Cross-origin resource sharing: which web pages of other origins may read answers in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

PREFLIGHT_SECONDS = 600
VARY = (b"vary", b"Origin")
EXPOSED = "Location, Retry-After, ETag, Content-Disposition, Content-Range, WWW-Authenticate"


class Cors:
    """Which web pages of other origins may read answers. Keys come in headers and never in cookies, so none are allowed."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        self.everyone = "*" in self._origins

    def allows(self, origin: str | None) -> bool:
        """True when the origin is listed, or when all origins are allowed."""
        return origin is not None and bool(self._origins) and (self.everyone or origin.lower() in self._origins)

    def headers(self, origin: str) -> list[tuple[bytes, bytes]]:
        """The headers of every answer to that origin."""
        return [
            (b"access-control-allow-origin", b"*" if self.everyone else origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED.encode()),
            VARY,
        ]

    def preflight(self, origin: str, requested: str, methods: Iterable[str]) -> list[tuple[bytes, bytes]]:
        """The headers of the answer to a preflight request; `requested` are the headers the browser wants to send."""
        names = [
            name
            for name in (part.strip() for part in requested.split(","))
            if re.fullmatch(r"[A-Za-z0-9-]{1,64}", name)
        ]
        return [
            *self.headers(origin),
            (b"access-control-allow-methods", ", ".join(sorted(methods)).encode()),
            (b"access-control-allow-headers", ", ".join(names).encode()),
            (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        ]


def with_cors(send: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    """The ASGI `send` channel, which adds these headers to the answer."""

    async def send_with_headers(event: Any) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event.get("headers", ()), *headers]}
        await send(event)

    return send_with_headers
