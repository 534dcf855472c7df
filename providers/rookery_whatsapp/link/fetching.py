"""Fetches the files that an outbound message names by URL; the library gets the bytes.

A caller with the right to send could otherwise make this server read addresses that only it can reach, and send the
result to a chat. So, unless private addresses are allowed, every connection is checked, including those after a redirect.
"""

from __future__ import annotations

import base64
import ssl

import httpx
import trio

from rookery.delivery.public_addresses import PrivateAddress, open_public_stream
from rookery.errors import NotConnected, Rejected
from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import Connect, ExchangeError, HttpClient
from rookery.runtime.names import open_stream
from rookery.runtime.trust import tls_context

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


class NotPublic(Rejected):
    """The address is not on the public internet, and private addresses are not allowed."""


async def fetch(
    url: str, *, limit: int, seconds: float, allow_private: bool, ca_bundle: str | None = None, cut: bool = False
) -> tuple[bytes, str | None]:
    """The file at `url`, at most `limit` bytes, and the type that its server gives. With `cut`, the beginning of a larger
    file. Raises Rejected (NotPublic for an address outside of the public internet), NotConnected."""
    connect = open_stream if allow_private else _open_public_stream
    try:
        target = httpx.URL(url)
        with trio.fail_after(seconds):
            for _ in range(MOST_REDIRECTS + 1):
                answer = await _get(target, connect, limit, seconds, ca_bundle)
                if answer.status not in REDIRECTS or b"location" not in answer.headers:
                    break
                target = target.join(answer.headers[b"location"].decode("latin-1"))
            else:
                raise Rejected(f"url: its server redirects more than {MOST_REDIRECTS} times")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Rejected(f"url: {error}") from None
    except (ExchangeError, trio.TooSlowError) as error:
        raise NotConnected(f"the file at the url cannot be fetched now: {type(error).__name__}") from None
    if answer.status != 200:
        raise Rejected(f"url: its server answered {answer.status}")
    if answer.too_large and not cut:
        raise Rejected(f"url: the file has more than {limit} bytes")
    kind = answer.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip()
    return answer.body[:limit], kind or None


async def _get(url: httpx.URL, connect: Connect, limit: int, seconds: float, ca_bundle: str | None) -> HttpAnswer:
    """One request. Raises Rejected, ExchangeError."""
    if url.scheme not in ("http", "https") or not url.host:
        raise Rejected("url: an http:// or https:// address is needed")
    if url.port is not None and not 0 < url.port < 65536:
        raise Rejected(f"url: {url.port} is not a port")
    head = [b"GET %b HTTP/1.1" % url.raw_path, b"Host: " + url.netloc]
    head += [b"User-Agent: Rookery", b"Accept: */*", b"Accept-Encoding: identity", b"Connection: close"]
    if url.username or url.password:
        head.append(b"Authorization: Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()))
    context: ssl.SSLContext | None = tls_context(ca_bundle) if url.scheme == "https" else None
    port = url.port or (443 if context else 80)
    client = HttpClient(url.host, port, context, max_answer=limit, cut=True, connect=connect)
    try:
        request = b"\r\n".join(head) + b"\r\n\r\n"
        return await client.exchange(request, connect_seconds=seconds, read_seconds=seconds)
    finally:
        await client.aclose()


async def _open_public_stream(host: str, port: int) -> trio.SocketStream:
    try:
        return await open_public_stream(host, port)
    except PrivateAddress as error:  # a retry would not help
        raise NotPublic(f"url: {error}") from None
