"""The address that a server listens on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio


class Address(msgspec.Struct, frozen=True):
    """The address of a listener."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL for people: a wildcard address is shown as loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def addresses(listeners: Sequence[trio.SocketListener]) -> tuple[Address, ...]:
    """The real addresses of listeners, with the port that the system chose for port 0."""
    return tuple(Address(*listener.socket.getsockname()[:2]) for listener in listeners)
