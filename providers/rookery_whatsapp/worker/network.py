"""Checks whether WhatsApp is reachable at all, before the library starts a client.

Each start of a client leaks resources in the library (its database pool, a few goroutines), so starts that cannot
succeed are avoided. The check also keeps a start without a network from delaying the other clients of the process.
"""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

from ..protocol import Start

SERVER = ("web.whatsapp.com", 443)
PATIENCE = 10.0  # seconds
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080}


def check_reachable(proxy: str | None) -> None:
    """Connect to WhatsApp's server, or to the proxy on the way to it, and hang up. Raises OSError."""
    # Without a proxy setting the library uses the environment's proxy.
    via = proxy or urllib.request.getproxies().get("https")
    host, port = SERVER
    if via:
        parts = urlsplit(via if "//" in via else f"//{via}")
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        raise OSError(f"{host}:{port} cannot be reached: {error}") from None


def without_secrets(text: str, start: Start) -> str:
    """The text of a library error without the passwords from the client's settings."""
    for url in (start.proxy, start.database):
        if url and "@" in url:
            text = text.replace(url, "(address)")
            password = urlsplit(url).password
            if password:
                text = text.replace(password, "***")
    return text
