"""The simulator's front door: an HTTP proxy that ends TLS itself.

A client with the proxy `http://127.0.0.1:port` sends `CONNECT web.whatsapp.com:443`; the proxy says yes to a host it
plays and speaks TLS with a certificate of its own authority. Everything else gets 502.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
import trustme

CHAT_HOST = "web.whatsapp.com"
MEDIA_HOST = "mmg.whatsapp.net"
REQUEST_LIMIT = 8192  # bytes of one CONNECT request
OPENING_DEADLINE = 20.0  # seconds for CONNECT and the TLS handshake

Handler = Callable[[str, trio.abc.Stream], Awaitable[None]]


class Certificates:
    """A throwaway certificate authority and the server's TLS settings."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Without ALPN the clients stay with HTTP/1.1, the only version that is spoken here.
        self._authority.issue_cert(CHAT_HOST, MEDIA_HOST).configure_cert(self.context)

    def write_authority(self, path: Path) -> None:
        """Write the PEM file that `SSL_CERT_FILE` takes."""
        self._authority.cert_pem.write_to_path(str(path))


async def serve_tunnel(stream: trio.abc.Stream, context: ssl.SSLContext, handler: Handler) -> None:
    """Serve one client of the proxy: open the tunnel and hand host and decrypted stream to `handler`."""
    with trio.move_on_after(OPENING_DEADLINE) as opening:
        host = await _read_connect(stream)
        if host not in (CHAT_HOST, MEDIA_HOST):
            await _answer(stream, b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        await _answer(stream, b"HTTP/1.1 200 Connection established\r\n\r\n")
        secure = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await secure.do_handshake()
        except trio.BrokenResourceError:
            return
        opening.deadline = float("inf")
        await handler(host, secure)


async def _read_connect(stream: trio.abc.Stream) -> str | None:
    """The host that the client asks for; None for an invalid request."""
    request = b""
    while b"\r\n\r\n" not in request:
        try:
            data = await stream.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        request += data
        if not data or len(request) > REQUEST_LIMIT:
            return None
    method, _, rest = request.partition(b" ")
    if method != b"CONNECT":
        return None
    target = rest.split(b" ", 1)[0].decode("ascii", "replace")
    return target.rpartition(":")[0]


async def _answer(stream: trio.abc.Stream, data: bytes) -> None:
    try:
        await stream.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
