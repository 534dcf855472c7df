"""The address of a proxy: one pattern that both checks and documents it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InvalidInput

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HEX = "[0-9A-Fa-f]{1,4}"
_SHORTENED = [f"({_HEX}:){{1,{7 - after}}}(:{_HEX}){{1,{after}}}" for after in range(1, 7)]
_IPV6 = "|".join([f"({_HEX}:){{7}}{_HEX}", f"({_HEX}:){{1,7}}:", *_SHORTENED, f":((:{_HEX}){{1,7}}|:)"])
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_USER = r"[A-Za-z0-9._~!$&'()*+,;=:%-]*@"


def proxy_pattern(schemes: Sequence[str]) -> str:
    """The pattern of an address, as a regular expression that JSON schema and Python interpret alike."""
    return f"^({'|'.join(schemes)})://({_USER})?({_LABEL}(\\.{_LABEL})*|\\[({_IPV6})\\])(:{_PORT})?/?$"


def check_proxy(text: object, field: str, schemes: Sequence[str]) -> str:
    """Returns `text`. Raises InvalidInput that quotes nothing of it: it may contain a password."""
    if not isinstance(text, str) or not re.fullmatch(proxy_pattern(schemes)[1:-1], text):
        raise InvalidInput(
            f"{field}: an address such as http://user:password@host:port is needed, with {', '.join(schemes)}; special "
            "characters of user and password in percent-encoding",
            field=field,
        )
    return text
