"""Decides which addresses webhooks may connect to, checked when a connection is made.

Otherwise anyone who may create webhooks could make this server call services that only this server can reach: a cloud's
metadata, a database's HTTP port, the neighbours in a cluster. The check applies to the address that is then connected
to, not to an earlier look-up of the same name, so a name that changes in between (DNS rebinding) gains nothing.
Redirects are not followed at all.
"""

from __future__ import annotations

import ipaddress

import trio

from ..runtime.names import connect_to, names

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        # Special-purpose addresses (IANA) that the standard library of some Python version counts as public; a cloud
        # keeps its metadata at 192.0.0.192.
        ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)


class PrivateAddress(OSError):
    """The name does not resolve to any address that may be called."""


def is_public(text: str) -> bool:
    """True for an address on the public internet; an IPv4 address inside an IPv6 one is judged as an IPv4 address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
    special = any(address in network for network in _SPECIAL)
    return address.is_global and not (address.is_multicast or address.is_reserved or special)


async def open_public_stream(host: str, port: int) -> trio.SocketStream:
    """Connects to the first public address of `host` that answers. Raises PrivateAddress, OSError."""
    public = [address for address in await names().addresses(host) if is_public(address)]
    if not public:
        raise PrivateAddress(
            "only addresses on the open internet are allowed here, and this is none; `webhook_allow_private` "
            "allows the others"
        )
    with names().trying(host):
        return await connect_to(public, port)
