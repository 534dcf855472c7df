"""Proxies between Rookery and the Bot API: http, https and socks5, with user and password."""

from __future__ import annotations

import httpx

from rookery.errors import InvalidInput

SCHEMES = ("http", "https", "socks5", "socks5h")


def check_proxy(text: str, field: str) -> str:
    """Returns `text`. Raises InvalidInput, which quotes nothing: there may be a password in it."""
    try:
        url = httpx.URL(text)
        port = url.port
        usable = url.scheme in SCHEMES and bool(url.host) and (port is None or 0 < port < 65_536)
        usable = usable and url.path in ("", "/") and not url.query and not url.fragment
    except (httpx.InvalidURL, ValueError, TypeError):
        usable = False
    if not usable:
        raise InvalidInput(
            f"{field}: an address such as http://user:password@host:port is needed, with http, https or socks5",
            field=field,
        )
    return text
