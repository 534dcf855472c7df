"""The address of a proxy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InvalidInput
from ..model.address import proxy_address

MASK = "***"
"""Shown in answers in place of a user and password."""


def check_proxy(text: object, field: str, schemes: Sequence[str]) -> str:
    """Returns `text`. Raises InvalidInput that quotes nothing of it: it may contain a password."""
    if isinstance(text, str) and (f":{MASK}@" in text or f"//{MASK}@" in text):
        raise InvalidInput(
            f"{field}: its user and password are masked; send the real ones, or leave the settings out", field=field
        )
    if not isinstance(text, str) or not re.fullmatch(proxy_address(schemes)[1:-1], text):
        raise InvalidInput(
            f"{field}: an address such as http://user:password@host:port is needed, with {', '.join(schemes)}; special "
            "characters of user and password in percent-encoding",
            field=field,
        )
    return text
