"""Converts WhatsApp addresses as people write them to the library's form."""

from __future__ import annotations

import re

from rookery.errors import InvalidInput, Rejected

SERVERS = ("s.whatsapp.net", "lid", "g.us", "broadcast", "newsletter")
GROUP, CHANNEL, PHONE, LID = "g.us", "newsletter", "s.whatsapp.net", "lid"

_ADDRESS = re.compile(rf"[A-Za-z0-9._-]{{1,64}}@({'|'.join(re.escape(server) for server in SERVERS)})")
_OLD_ADDRESS = re.compile(r"\A([0-9]{5,20})@c\.us\Z")
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{4,24}")
_WITH_DEVICE = re.compile(r"\A([0-9]{5,20}):[0-9]{1,5}@(s\.whatsapp\.net|lid)\Z")


def normal(text: str) -> str | None:
    """The form of an address that events use, from any common spelling; None for text that is not an address.

    Accepts a phone number with its country code (`+49 151 0000 0012`), the `...@c.us` of older clients, or an address.
    """
    text = _OLD_ADDRESS.sub(r"\1@s.whatsapp.net", text.strip(" "))
    text = _WITH_DEVICE.sub(r"\1@\2", text)
    if _ADDRESS.fullmatch(text):
        return text
    if _PHONE.fullmatch(text):
        return f"{re.sub('[^0-9]', '', text)}@{PHONE}"
    return None


def address(to: str, field: str = "to") -> str:
    """Like `normal`, for a message. Raises Rejected."""
    found = normal(to)
    if found is None:
        raise Rejected(f"{field}: {to!r} is neither a phone number with its country code nor a WhatsApp address")
    return found


def address_of(text: str, field: str, *servers: str) -> str:
    """Like `normal`, for a query; if `servers` are given, the address must be at one of them. Raises InvalidInput."""
    found = normal(text)
    if found is None or (servers and found.rpartition("@")[2] not in servers):
        wanted = "a phone number with its country code, or an address"
        if len(servers) == 1:
            wanted = f"an address like 120363000000000001@{servers[0]}"
        raise InvalidInput(f"{field}: {text[:100]!r} is not {wanted}", field=field)
    return found
