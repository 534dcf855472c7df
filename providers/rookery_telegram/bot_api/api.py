"""One bot's calls to the Bot API. The token does not leave this module: no error, log line or `repr` shows it."""

from __future__ import annotations

import copy
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast
from urllib.parse import quote

import httpx
import msgspec
import trio

from rookery.provider.capabilities import MediaSink
from rookery.runtime import http_client
from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import HttpClient

from .client import Client, Content, Progress
from .errors import Answer, ApiError, NoAnswer, read_answer
from .multipart import FilePart, Multipart
from .transport import BotTransport, DirectTransport

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # the engine's send deadline is a little longer

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; getUpdates sends at most 4 MiB."""

BODY_SECONDS = 60.0
"""Seconds from the first byte to the end of an answer: a trickle of bytes must not keep a call alive forever."""

MAX_PREPARED = 64
"""Maximum number of requests to keep and reuse with another body."""

BUSY = 64 * 1024
"""Bytes of one chunk of a file."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)

_encoder = msgspec.json.Encoder()


class BotApi:
    """The methods of one bot. Owned by its link, which closes it.

    Polls, control calls, downloads and everything through a proxy use one `httpx.AsyncClient`. Without a proxy its calls
    and all sends share the connections of one `HttpClient`, which takes a tenth of the CPU per call.
    """

    def __init__(
        self, token: str, base_url: str, ssl_context: ssl.SSLContext | None, *, proxy: str | None = None
    ) -> None:
        url = httpx.URL(base_url)
        self._authority = url.netloc
        self._server = f"{url.scheme}://{url.netloc.decode()}"
        is_https = url.scheme == "https"
        port = url.port or (443 if is_https else 80)
        self._calls = None
        if proxy is not None:
            transport = BotTransport(url, token, ssl_context, proxy)
        else:
            self._calls = HttpClient(url.host, port, ssl_context if is_https else None, max_answer=MAX_ANSWER)
            transport = DirectTransport(url, token, ssl_context, self._calls)
        self._client = Client(
            base_url=url.copy_with(raw_path=b"/"),
            transport=transport,
            headers={"user-agent": "Rookery", "accept": "application/json", "accept-encoding": "identity"},
            trust_env=False,
        )
        self._prefix = b"POST " + url.raw_path.rstrip(b"/") + b"/bot" + token.encode() + b"/"
        self._head = (
            b" HTTP/1.1\r\nHost: " + url.netloc + b"\r\nAccept: application/json\r\nUser-Agent: Rookery\r\n"
            b"Content-Type: %b\r\nContent-Length: "
        )
        self._heads: dict[str, bytes] = {}  # of calls with JSON, by method, up to the length

    def __repr__(self) -> str:
        return f"<BotApi {self._authority.decode()}>"

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> msgspec.Raw:
        """The result of one call, over httpx, that is safe to repeat; `seconds` is how long its answer may take. Raises
        ApiError (the server refused) and NoAnswer."""
        return read_answer(*await self.exchange(method, params, seconds=seconds))

    async def exchange(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        repeat: bool = True,
        on_sent: Callable[[], None] | None = None,
    ) -> Answer:
        """Like `ask`, but returns the raw answer for `read_answer`. Raises NoAnswer.

        `repeat`: when a kept connection turns out to be closed, the call is repeated once on another one. `on_sent` is
        called when the request has left.
        """
        body = _encoder.encode(params) if params else b"{}"
        request = Progress(on_sent, repeatable=repeat)
        try:
            return await self._post(method, body, "application/json", len(body), seconds, request)
        except NoAnswer as error:
            if self._calls is not None or request.connected or not (repeat and error.broken):
                raise
        return await self._post(method, body, "application/json", len(body), seconds, Progress(on_sent))

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        spare: float = 0.0,
    ) -> msgspec.Raw:
        """One call with JSON that is never repeated; `spare` as in `HttpClient.exchange`. Raises ApiError and NoAnswer."""
        body = _encoder.encode(params) if params else b"{}"
        if self._calls is None:
            return read_answer(*await self._post(method, body, "application/json", len(body), seconds, Progress(None)))
        head = self._heads.get(method)
        if head is None:
            if len(self._heads) >= MAX_PREPARED:
                self._heads.clear()
            head = self._heads[method] = self._prefix + method.encode() + self._head % b"application/json"
        try:
            answer = await self._calls.exchange(
                b"%b%d\r\n\r\n%b" % (head, len(body), body),
                connect_seconds=CONNECT_SECONDS,
                read_seconds=seconds,
                body_seconds=BODY_SECONDS,
                spare=spare,
            )
        except http_client.ExchangeError as error:
            raise _unanswered(error) from None
        return read_answer(answer.status, answer.headers, answer.body)

    async def upload(
        self,
        method: str,
        params: Mapping[str, Any],
        files: Mapping[str, FilePart],
        *,
        seconds: float = ANSWER_SECONDS,
    ) -> msgspec.Raw:
        """One call with files, which are read while they are sent; `seconds` limits each chunk and then the answer.

        Raises ApiError, NoAnswer, and OSError when a file cannot be read.
        """
        fields = {
            key: value if isinstance(value, str) else _encoder.encode(value).decode() for key, value in params.items()
        }
        form = Multipart(fields, files)
        async with aclosing(form.pieces()) as pieces:
            if self._calls is None:
                request = Progress(None)
                return read_answer(*await self._post(method, pieces, form.content_type, form.size, seconds, request))
            head = self._prefix + method.encode() + self._head % form.content_type.encode() + b"%d\r\n\r\n" % form.size
            try:
                answer = await self._calls.exchange(
                    head,
                    body=pieces,
                    connect_seconds=CONNECT_SECONDS,
                    read_seconds=seconds,
                    body_seconds=BODY_SECONDS,
                )
            except http_client.ExchangeError as error:
                raise _unanswered(error) from None
        return read_answer(answer.status, answer.headers, answer.body)

    async def download(self, file_path: str, sink: MediaSink) -> None:
        """Write the file at the path from `getFile` into `sink`, in chunks. Raises ApiError, NoAnswer, MediaError."""
        request = self._client.build_request("GET", f"/file/{quote(file_path)}", timeout=_timeout(ANSWER_SECONDS))
        async with self._answer(request) as response:
            if response.status_code != 200:
                raise ApiError(response.status_code, "no file", readable=response.status_code < 500)
            async with _pieces(response, BUSY) as pieces:
                async for piece in pieces:
                    await sink.write(piece)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._calls is not None:
            await self._calls.aclose()
        await self._client.aclose()

    async def _post(
        self,
        method: str,
        content: bytes | AsyncIterator[bytes],
        content_type: str,
        size: int,
        seconds: float,
        request: Progress,
    ) -> Answer:
        prepared = self._prepare(method, content_type, size, keep=isinstance(content, bytes))
        prepared.stream = Content(content)
        prepared.extensions = {
            "timeout": {"connect": CONNECT_SECONDS, "read": seconds, "write": ANSWER_SECONDS, "pool": CONNECT_SECONDS},
            "trace": request.trace,
            "on_sent": request.sent,
            "repeatable": request.repeatable,
            "body_seconds": BODY_SECONDS,
        }
        if self._calls is not None:  # a `DirectTransport` gives complete answers, and limits them itself
            try:
                response = await self._client.send(prepared, stream=True)
            except httpx.HTTPError as error:
                raise _no_answer(error) from None
            whole: HttpAnswer = response.extensions["answer"]
            return whole.status, whole.headers, whole.body
        async with self._answer(prepared) as response:
            body = bytearray()
            with trio.fail_after(seconds + BODY_SECONDS), trio.CancelScope() as enough:
                async with _pieces(response) as pieces:
                    async for piece in pieces:
                        body += piece
                        if len(body) > MAX_ANSWER:
                            enough.cancel()  # leaving the loop would leave generators behind
            if enough.cancelled_caught:
                raise NoAnswer("the answer is too large", left=True)
        return response.status_code, {name.lower(): value for name, value in response.headers.raw}, bytes(body)

    def _prepare(self, method: str, content_type: str, size: int, *, keep: bool) -> httpx.Request:
        """A request without its body. Building it takes longer than sending it, so the last ones are kept if `keep`, once
        for all bots of a server: they do not hold a token, and take 6 KiB a bot otherwise."""
        key = self._server, method, content_type, size
        request = _prepared.get(key)
        if request is None:
            headers = {"content-type": content_type, "content-length": str(size)}
            request = self._client.build_request("POST", f"/{method}", headers=headers)
            if keep:
                if len(_prepared) >= MAX_PREPARED:
                    _prepared.clear()
                _prepared[key] = request
        return copy.copy(request)

    @asynccontextmanager
    async def _answer(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        """Raises NoAnswer for any error of httpx, here and in the block."""
        try:
            response = await self._client.send(request, stream=True)
            try:
                yield response
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            raise _no_answer(error) from None
        except trio.TooSlowError:
            raise NoAnswer("the answer took too long", left=True) from None


_prepared: dict[tuple[str, str, str, int], httpx.Request] = {}
"""By server, method, type and size of the body. These requests are shared and must not be changed."""


def _unanswered(error: http_client.ExchangeError) -> NoAnswer:
    return NoAnswer(str(error), left=not isinstance(error, http_client.CannotConnect))


def _no_answer(error: httpx.HTTPError) -> NoAnswer:
    text = str(error) or type(error).__name__
    return NoAnswer(text, left=not isinstance(error, _NOT_SENT), broken=isinstance(error, _BROKEN))


def _pieces(response: httpx.Response, size: int | None = None) -> aclosing[AsyncGenerator[bytes]]:
    # It is a generator, although httpx types it as an iterator.
    return aclosing(cast("AsyncGenerator[bytes]", response.aiter_bytes(size)))


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=seconds, pool=CONNECT_SECONDS)
