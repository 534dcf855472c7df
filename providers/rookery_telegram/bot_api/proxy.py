"""Proxies between Rookery and the Bot API: http, https and socks5, with user and password."""

from __future__ import annotations

from rookery.provider.proxy import check_proxy as check_address

SCHEMES = ("http", "https", "socks5", "socks5h")


def check_proxy(text: str, field: str) -> str:
    """Returns `text`. Raises InvalidInput without quoting the text, which may hold a password."""
    return check_address(text, field, SCHEMES)
