"""What stands between a client and this server: a proxy that knows the client's address, a base path, a browser's CORS."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..config.doors import Network

Headers = Sequence[tuple[bytes, bytes]]

_FORWARDED_FOR = re.compile(r'(?:^|[;,])\s*for\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE)
PREFLIGHT_SECONDS = 600
EXPOSED = "Location, Retry-After, ETag, Content-Disposition, WWW-Authenticate"


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """The address of the client behind the trusted proxies: the first from the right that is not a trusted proxy.

    Claims of an untrusted peer are ignored.
    """
    if not trusted or not _is_in(peer, trusted):
        return peer
    forwarded = [value.decode("latin-1") for name, value in headers if name == b"forwarded"]
    hops: Iterable[str]
    if forwarded:
        hops = _FORWARDED_FOR.findall(",".join(forwarded))
    else:
        hops = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for").split(",")
    address = peer
    for hop in reversed(list(hops)):
        found = _address(hop)
        if found is None:
            break  # `unknown`, or an address hidden on purpose: only the proxy is known
        address = found
        if not _is_in(found, trusted):
            break
    return address


def _address(hop: str) -> str | None:
    text = hop.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


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
            (b"vary", b"Origin"),
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


def without_base(path: str, base: str) -> str:
    """The path without the base path. A proxy may have removed the base path already."""
    if base and (path == base or path.startswith(base + "/")):
        return path[len(base) :] or "/"
    return path


def with_cors(send: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    """The ASGI `send` channel, which adds these headers to the answer."""

    async def send_with_headers(event: Any) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event.get("headers", ()), *headers]}
        await send(event)

    return send_with_headers
