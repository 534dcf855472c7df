"""The addresses that callers may give: one pattern that checks them and that the description of the API shows.

JSON schema and Python interpret the patterns alike. What they accept, the parsers of httpx and of the standard library
accept too; a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence

_USER = r"([!$&'()*+,;=:A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*@"
# A name whose last part is a number is an IPv4 address to every parser, which then refuses or reinterprets it.
_NAME = r"([A-Za-z0-9_-]+\.)*[0-9]*[A-Za-z_-][A-Za-z0-9_-]*\.?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"({_BYTE}\.){{3}}{_BYTE}"
_GROUP = "[0-9A-Fa-f]{1,4}"
_SHORTENED = [rf"({_GROUP}:){{1,{7 - after}}}(:{_GROUP}){{1,{after}}}" for after in range(1, 7)]
_IPV6 = "|".join([rf"({_GROUP}:){{7}}{_GROUP}", rf"({_GROUP}:){{1,7}}:", *_SHORTENED, rf":((:{_GROUP}){{1,7}}|:)"])
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


def address_pattern(schemes: Sequence[str], path: str) -> str:
    """The pattern of `scheme://user:password@host:port` followed by `path`, a pattern. User and port are optional."""
    return rf"^({'|'.join(schemes)})://({_USER})?({_NAME}|{_IPV4}|\[({_IPV6})\])(:{_PORT})?({path})$"


HTTP_ADDRESS = address_pattern(["http", "https"], r"""([/?][!"$-~]*)?""")
"""An http or https address with path and query in ASCII, without a fragment."""


def proxy_address(schemes: Sequence[str]) -> str:
    """The pattern of a proxy's address."""
    return address_pattern(schemes, "/?")
