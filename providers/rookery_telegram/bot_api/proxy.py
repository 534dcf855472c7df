"""Proxies between Rookery and the Bot API: http, https and socks5, with user and password."""

from __future__ import annotations

from rookery.errors import InvalidInput
from rookery.provider.proxy import check_proxy as check_address

MASK = "***"
"""Shown in answers in place of a password."""

SCHEMES = ("http", "https", "socks5", "socks5h")


def check_proxy(text: str, field: str) -> str:
    """Returns `text`. Raises InvalidInput without quoting the text, which may hold a password."""
    if f":{MASK}@" in text:
        raise InvalidInput(
            f"{field}: its password is masked; send the real one, or leave the settings out", field=field
        )
    return check_address(text, field, SCHEMES)
