"""One bot's calls to the Bot API. The token does not leave this module: no error, log line or `repr` shows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext
from typing import Any, cast
from urllib.parse import quote

import httpx
import msgspec
import trio

from rookery.provider.capabilities import MediaSink
from rookery.runtime import http_client
from rookery.runtime.http_answer import HttpAnswer
from rookery.runtime.http_client import HttpClient

from .client import NO_AUTH, Client, Content, Progress, open_client
from .errors import Answer, ApiError, NoAnswer, read_answer
from .multipart import FilePart, Multipart
from .server import MAX_PREPARED, BotServer
from .transport import BotTransport, Route

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0  # the engine's send deadline is a little longer

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; getUpdates sends at most 4 MiB."""

BODY_SECONDS = 60.0
"""Seconds from the first byte to the end of an answer: a trickle of bytes must not keep a call alive forever."""

BUSY = 64 * 1024
"""Bytes of one chunk of a file."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_BROKEN = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)

_encoder = msgspec.json.Encoder()


class BotApi:
    """The methods of one bot. Owned by its link, which closes it.

    Polls, control calls, downloads and everything through a proxy use an `httpx.AsyncClient`: without a proxy, calls use
    that of the server; downloads, and calls through a proxy, use one of this bot's own. Without a proxy, calls and all sends
    share the connections of one `HttpClient`, which takes a tenth of the CPU per call.
    """

    __slots__ = ("_calls", "_client", "_heads", "_path", "_proxy", "_route", "_server", "_token")

    def __init__(self, token: str, server: BotServer, *, proxy: str | None = None) -> None:
        self._token = token
        self._server = server
        self._proxy = proxy
        self._path = server.path + b"/bot" + token.encode() + b"/"
        self._client: Client | None = None
        self._calls: HttpClient | None = None
        self._route: Route | None = None
        self._heads: dict[str, bytes] | None = None  # of calls with JSON, by method, up to the length
        if proxy is None:
            context = server.ssl_context if server.is_https else None
            self._calls = HttpClient(server.url.host, server.port, context, max_answer=MAX_ANSWER)
            self._route = Route(self._path, self._calls)

    def __repr__(self) -> str:
        return f"<BotApi {self._server.url.netloc.decode()}>"

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, seconds: float = ANSWER_SECONDS
    ) -> msgspec.Raw:
        """The result of one call, over httpx, that is safe to repeat; `seconds` is how long its answer may take. Raises
        ApiError (the server refused) and NoAnswer."""
        return read_answer(*await self.exchange(method, params, seconds=seconds))

    def exchange(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        repeat: bool = True,
        on_sent: Callable[[], None] | None = None,
        scope: trio.CancelScope | None = None,
    ) -> Coroutine[Any, Any, Answer]:
        """Like `ask`, but returns the raw answer for `read_answer`. Raises NoAnswer, when awaited.

        `repeat`: when a kept connection turns out to be closed, the call is repeated once on another one. `on_sent` is
        called when the request has left. `scope`: a new one, for a call whose answer may take a minute and that is not
        repeated; cancelling it ends the call without an answer."""
        body = _encoder.encode(params) if params else b"{}"
        if self._route is not None:
            return self._direct(method, body, seconds, repeat, on_sent, scope)
        return self._through_proxy(method, body, seconds, repeat, on_sent, scope)

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
        if self._heads is None:
            self._heads = {}
        head = self._heads.get(method)
        if head is None:
            if len(self._heads) >= MAX_PREPARED:
                self._heads.clear()
            head = self._heads[method] = self._head(method, "application/json")
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
            head = self._head(method, form.content_type) + b"%d\r\n\r\n" % form.size
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
        client = self._own_client()
        request = client.build_request("GET", f"/file/{quote(file_path)}", timeout=_timeout(ANSWER_SECONDS))
        async with _answer(client, request) as response:
            if response.status_code != 200:
                raise ApiError(response.status_code, "no file", readable=response.status_code < 500)
            async with _pieces(response, BUSY) as pieces:
                async for piece in pieces:
                    await sink.write(piece)

    async def aclose(self) -> None:
        """Close every connection."""
        if self._calls is not None:
            await self._calls.aclose()
        if self._client is not None:
            await self._client.aclose()

    def _head(self, method: str, content_type: str) -> bytes:
        """The head of a call that does not go through httpx, up to the length."""
        return b"POST " + self._path + method.encode() + self._server.head % content_type.encode()

    def _own_client(self) -> Client:
        if self._client is None:
            url, context = self._server.url, self._server.ssl_context
            self._client = open_client(url, BotTransport(url, self._token, context, self._proxy))
        return self._client

    async def _direct(
        self,
        method: str,
        body: bytes,
        seconds: float,
        repeat: bool,
        on_sent: Callable[[], None] | None,
        scope: trio.CancelScope | None,
    ) -> Answer:
        """A call without a proxy. A `DirectTransport` gives complete answers, and limits them itself."""
        request = self._server.request(method, "application/json", len(body), keep=True)
        request.stream = Content(body)
        request.extensions = {
            "timeout": _SECONDS | {"read": seconds},
            "head": request.extensions["head"],
            "route": self._route,
            "repeatable": repeat,
            "on_sent": on_sent,
            "body_seconds": BODY_SECONDS,
            "scope": scope,
        }
        sending = self._server.client.send(request, stream=True, auth=NO_AUTH)
        del request, body, on_sent, scope  # a thousand bots wait below
        try:
            response = await sending
        except httpx.HTTPError as error:
            raise _no_answer(error) from None
        response.stream = _TAKEN  # httpx's own may refer to the response, which leaves both to the garbage collector
        whole: HttpAnswer = response.extensions["answer"]
        return whole.status, whole.headers, whole.body

    async def _through_proxy(
        self,
        method: str,
        body: bytes,
        seconds: float,
        repeat: bool,
        on_sent: Callable[[], None] | None,
        scope: trio.CancelScope | None,
    ) -> Answer:
        with scope or nullcontext():
            request = Progress(on_sent)
            try:
                return await self._post(method, body, "application/json", len(body), seconds, request)
            except NoAnswer as error:
                if request.connected or not (repeat and error.broken):
                    raise
            return await self._post(method, body, "application/json", len(body), seconds, Progress(on_sent))
        raise NoAnswer("the call was given up", left=True)

    async def _post(
        self,
        method: str,
        content: bytes | AsyncIterator[bytes],
        content_type: str,
        size: int,
        seconds: float,
        progress: Progress,
    ) -> Answer:
        """A call through a proxy."""
        request = self._server.request(method, content_type, size, keep=isinstance(content, bytes))
        request.stream = Content(content)
        request.extensions = {"timeout": _SECONDS | {"read": seconds}, "trace": progress.trace}
        async with _answer(self._own_client(), request) as response:
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


_TAKEN = httpx.ByteStream(b"")
_SECONDS = {"connect": CONNECT_SECONDS, "read": ANSWER_SECONDS, "write": ANSWER_SECONDS, "pool": CONNECT_SECONDS}


@asynccontextmanager
async def _answer(client: Client, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    """Raises NoAnswer for any error of httpx, here and in the block."""
    try:
        response = await client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise _no_answer(error) from None
    except trio.TooSlowError:
        raise NoAnswer("the answer took too long", left=True) from None


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
