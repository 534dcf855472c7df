"""Calls of one bot to the Bot API. The token stays in here: no error, log line or `repr` shows it."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import trio

from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import LocalMedia

from .errors import ApiError, read_answer
from .transport import BotTransport

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # the engine's own send deadline is a little longer

BLOCK = 256 * 1024
"""Bytes of a file that are read at a time."""

CLOSE_SECONDS = 1.0

_encoder = msgspec.json.Encoder()


class BotApi:
    """The methods of one bot. Owned by its link, which closes it."""

    def __init__(self, token: str, base_url: str, ssl_context: ssl.SSLContext | None) -> None:
        url = httpx.URL(base_url)
        self._ssl_context = ssl_context
        self._transport = BotTransport(url, ssl_context)
        self._prefix = f"{url.raw_path.decode().rstrip('/')}/bot{token}/"
        self._file_prefix = f"{url.raw_path.decode().rstrip('/')}/file/bot{token}/"
        self._tail = (
            b" HTTP/1.1\r\nHost: " + self._transport.authority + b"\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nUser-Agent: Rookery\r\nContent-Length: "
        )
        self._upload_url = url.copy_with(raw_path=self._prefix.encode())

    def __repr__(self) -> str:
        return f"<BotApi {self._transport.authority.decode()}>"

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        fresh: bool = False,
        on_sent: Callable[[], None] | None = None,
    ) -> msgspec.Raw:
        """One call with JSON; `seconds` is how long its answer may take. `on_sent` is called when the request has left.

        Raises ApiError (the server refused) and httpx.HTTPError (no answer).
        """
        body = _encoder.encode(params) if params else b"{}"
        request = b"POST %b%b%b%d\r\n\r\n%b" % (self._prefix.encode(), method.encode(), self._tail, len(body), body)
        answer = await self._transport.exchange(
            request, connect_seconds=CONNECT_SECONDS, read_seconds=seconds, fresh=fresh, on_sent=on_sent
        )
        return read_answer(answer.status, answer.headers, answer.body)

    async def upload(
        self, method: str, params: Mapping[str, Any], field: str, file: tuple[str, bytes, str]
    ) -> msgspec.Raw:
        """One call as multipart with a file `(name, content, media type)`. Raises like `call`."""
        fields = {
            key: value if isinstance(value, str) else _encoder.encode(value).decode() for key, value in params.items()
        }
        request = httpx.Request(
            "POST",
            self._upload_url.join(method),
            data=fields,
            files={field: file},
            headers={"user-agent": "Rookery", "accept": "application/json"},
            extensions={"timeout": {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS}},
        )
        response = await self._transport.handle_async_request(request)
        headers = {name.lower(): value for name, value in response.headers.raw}
        return read_answer(response.status_code, headers, response.content)

    async def upload_stored(
        self, method: str, params: Mapping[str, Any], field: str, file: LocalMedia, name: str, kind: str
    ) -> msgspec.Raw:
        """As `upload`, with a file on this machine that is read while it is sent. Raises also OSError."""
        boundary = secrets.token_hex(16)
        head = bytearray()
        for key, value in params.items():
            text = value if isinstance(value, str) else _encoder.encode(value).decode()
            head += _part(boundary, f'name="{_quoted(key)}"') + b"\r\n" + text.encode() + b"\r\n"
        named = f'name="{_quoted(field)}"; filename="{_quoted(name)}"'
        head += _part(boundary, named) + f"Content-Type: {kind}\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        request = (
            b"POST %b%b HTTP/1.1\r\nHost: %b\r\nUser-Agent: Rookery\r\nAccept: application/json\r\n"
            b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n%b"
        ) % (
            self._prefix.encode(),
            method.encode(),
            self._transport.authority,
            boundary.encode(),
            len(head) + file.size + len(tail),
            bytes(head),
        )
        async with aclosing(read_blocks(file.path, tail)) as body:
            answer = await self._transport.exchange(
                request, body=body, connect_seconds=CONNECT_SECONDS, read_seconds=ANSWER_SECONDS
            )
        return read_answer(answer.status, answer.headers, answer.body)

    async def download(self, file_path: str, sink: MediaSink) -> None:
        """The file that `getFile` named, in pieces into `sink`. Raises ApiError, httpx.HTTPError, MediaError."""
        url = self._upload_url.copy_with(raw_path=(self._file_prefix + quote(file_path)).encode())
        request = httpx.Request(
            "GET",
            url,
            headers={"user-agent": "Rookery"},
            extensions={"timeout": {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS, "write": ANSWER_SECONDS}},
        )
        # Not through a client: that would log the address, which holds the token.
        async with httpx.AsyncHTTPTransport(verify=self._ssl_context or False, trust_env=False) as transport:
            response = await transport.handle_async_request(request)
            try:
                if response.status_code != 200:
                    raise ApiError(response.status_code, "no file", readable=response.status_code < 500)
                assert isinstance(response.stream, httpx.AsyncByteStream)
                async for piece in response.stream:
                    await sink.write(piece)
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                    await response.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


async def read_blocks(path: Path, tail: bytes) -> AsyncGenerator[bytes]:
    """The file, then `tail`. Raises OSError."""
    file = await trio.to_thread.run_sync(path.open, "rb")
    try:
        while block := await trio.to_thread.run_sync(file.read, BLOCK):
            yield block
    finally:
        file.close()
    yield tail


def _part(boundary: str, disposition: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n".encode()


def _quoted(text: str) -> str:
    """As browsers write names in multipart bodies (HTML, 4.10.21.8)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
