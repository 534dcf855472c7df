"""The forms of two settings: networks of trusted proxies, and origins of web pages."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(text: str | None) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in (text or "").split(",") if part.strip())


def origins_of(text: str | None) -> tuple[str, ...]:
    """Origins such as `https://app.example.org`, separated by commas, or `*`. Raises ValueError."""
    found = tuple(part.strip().lower() for part in (text or "").split(",") if part.strip())
    for origin in found:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9.\[\]:_-]+", origin):
            raise ValueError(f"{origin} is not an origin")
        if urlsplit(origin).port == 0:  # raises ValueError itself for an unclosed bracket and for an impossible port
            raise ValueError(f"{origin} has no usable port")
    return found
