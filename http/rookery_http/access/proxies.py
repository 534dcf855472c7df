"""Proxies between a client and this server: they know the client's address, and may show the server under a base path."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import unquote

from ..config.origins import Network

Headers = Sequence[tuple[bytes, bytes]]


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """The address of the client behind the trusted proxies: the first from the right that is not a trusted proxy.

    Claims of an untrusted peer are ignored. A proxy sets one of the two headers and may pass on the other as the client
    sent it: where they contradict each other, only the proxy's own address is certain.
    """
    if not trusted or not _is_in(peer, trusted):
        return peer
    claims = set()
    if forwarded := _hops(headers, b"forwarded"):
        claims.add(_last_untrusted(peer, [_for(hop) for hop in forwarded], trusted))
    if forwarded_for := _hops(headers, b"x-forwarded-for"):
        claims.add(_last_untrusted(peer, forwarded_for, trusted))
    return claims.pop() if len(claims) == 1 else peer


def _hops(headers: Headers, name: bytes) -> list[str]:
    return [
        hop for given, value in headers if given == name for hop in _split(value.decode("latin-1"), ",") if hop.strip()
    ]


def _for(hop: str) -> str:
    """The `for` of one hop; empty when the proxy does not say it."""
    for pair in _split(hop, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value
    return ""


def _split(text: str, separator: str) -> list[str]:
    """The parts of a header; a separator inside quotes does not count. Takes time in proportion to the length."""
    parts, start, quoted, escaped = [], 0, False, False
    for position, sign in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]


def _last_untrusted(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    address = peer
    for hop in reversed(hops):
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
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


def without_base(path: str, base: str) -> str:
    """The path without the base path. A proxy may have removed the base path already, or have encoded letters of it."""
    if not base:
        return path
    if "%" in path:
        parts = base.count("/")
        head, rest = path.split("/")[: parts + 1], path.split("/")[parts + 1 :]
        if unquote("/".join(head)) == base:
            return "/" + "/".join(rest)
    if path == base or path.startswith(base + "/"):
        return path[len(base) :] or "/"
    return path
