"""The client for asyncio and Trio programs: the same calls as `Client`, awaited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from types import TracebackType
from typing import Any, Self

import anyio
import httpx

from . import calls, wire
from .calls import Json, Types
from .client import types_of
from .errors import InvalidAddress, TooMany, Unreachable, shown
from .events import Event


class AsyncClient:
    """One server, one connection pool. Use it with `async with`, or call `aclose`. `Client` documents the parameters."""

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        key: str | None = None,
        *,
        timeout: float = wire.TIMEOUT,
        retries: int = wire.RETRIES,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._retries = retries
        self._own = http is None
        self._headers = wire.headers_of(key)
        try:
            httpx.URL(self.url)
            self._http = http or httpx.AsyncClient(timeout=timeout, trust_env=False)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            raise InvalidAddress(self.url) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        if self._own:
            await self._http.aclose()

    # Sessions

    async def create_session(self, platform: str, *, id: str | None = None, **fields: Any) -> Json:
        return await self._object(calls.create_session({"id": id, "platform": platform, **fields}))

    async def get_session(self, id: str) -> Json:
        return await self._object(calls.get_session(id))

    def list_sessions(self, **filters: Any) -> AsyncGenerator[Json, None]:
        return self.pages(calls.list_sessions(filters), "sessions")

    async def change_session(self, id: str, **fields: Any) -> Json:
        return await self._object(calls.change_session(id, fields))

    async def delete_session(self, id: str) -> Json:
        return await self._object(calls.delete_session(id))

    async def steer(self, id: str, verb: str) -> Json:
        return await self._object(calls.steer(id, verb))

    async def history(self, id: str) -> list[Json]:
        history: list[Json] = (await self._document(calls.history(id)))["history"]
        return history

    # Sends

    async def send(
        self,
        session: str,
        to: str | int,
        text: str | None = None,
        *,
        wait: float = 10.0,
        idempotency_key: str | None = None,
        **content: Any,
    ) -> Json:
        message = {"to": to, "type": "text" if text is not None and "type" not in content else None, "text": text}
        return await self._object(calls.send(session, message | content, wait=wait, idempotency_key=idempotency_key))

    async def send_batch(self, session: str, messages: Iterable[Mapping[str, Any]]) -> list[Json]:
        answers: list[Json] = (await self._object(calls.send_batch(session, messages)))["messages"]
        return answers

    async def get_message(self, id: str) -> Json:
        return await self._object(calls.get_message(id))

    async def cancel_message(self, id: str) -> Json:
        return await self._object(calls.cancel_message(id))

    async def call(self, session: str, method: str, *, platform: str = "telegram", **params: Any) -> Any:
        return (await self._document(calls.call_platform(session, platform, method, params)))["result"]

    # Events

    async def read_events(
        self, *, after: int = 0, session: str | None = None, chat: str | None = None, type: Types = None
    ) -> AsyncGenerator[Event, None]:
        request = calls.read_events(after, {"session": session, "chat": chat, "type": types_of(type), "limit": 500})
        async with aclosing(self.pages(request, "events")) as documents:
            async for document in documents:
                yield wire.typed_event(document)

    async def events(
        self,
        *,
        after: int | None = None,
        session: str | None = None,
        chat: str | None = None,
        type: Types = None,
        patience: float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Follow the log forever, without a gap; see `Client.events`. Close the iterator (`contextlib.aclosing`)
        if you leave it early."""
        filters = {"session": session, "chat": chat, "type": types_of(type)}
        last = after
        away: float | None = None
        while True:
            try:
                if last is None:
                    last = await self._newest()
                async with aclosing(self._stream(calls.follow_events(filters, last_id=last))) as documents:
                    async for document in documents:
                        away, last = None, document["id"]
                        yield wire.typed_event(document)
            except (Unreachable, TooMany) as error:
                now = anyio.current_time()
                away = now if away is None else away
                if patience is not None and now - away > patience:
                    raise
                pause = error.retry_after if isinstance(error, TooMany) else None
                await anyio.sleep(min(pause or 1.0, 60.0))

    # Webhooks

    async def create_webhook(self, url: str, **fields: Any) -> Json:
        return await self._object(calls.create_webhook({"url": url, **fields}))

    async def list_webhooks(self, session: str | None = None) -> list[Json]:
        webhooks: list[Json] = (await self._document(calls.list_webhooks(session)))["webhooks"]
        return webhooks

    async def delete_webhook(self, id: str) -> Json:
        return await self._object(calls.delete_webhook(id))

    # The rest of the API

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._errors():
            answer = await self._http.request(method, self.url + path, **self._with_key(options))
            wire.check(answer, self.url)
            return answer

    async def document(self, method: str, path: str, **options: Any) -> Any:
        with self._errors():
            answer = await self._http.request(method, self.url + path, **self._with_key(options))
            return wire.document(answer, self.url)

    async def pages(self, request: wire.Request, name: str, *, cursor: str = "after") -> AsyncGenerator[Json, None]:
        params = dict(request.params)
        while True:
            page = await self._document(wire.Request(request.method, request.path, params, repeatable=True))
            for row in page[name]:
                yield row
            params[cursor] = page.get("next")
            if params[cursor] is None:
                return

    async def _stream(self, request: wire.Request, *, endless: bool = True) -> AsyncGenerator[Json, None]:
        lines = wire.EventLines()
        timeout = httpx.Timeout(wire.TIMEOUT, read=wire.STREAM_SILENCE)
        options = self._with_key(request.options())
        with self._errors():
            async with self._http.stream("GET", self.url + request.path, timeout=timeout, **options) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                wire.check(answer, self.url)
                source = answer.aiter_lines()
                try:
                    async for line in source:
                        if (event := lines.feed(line)) is not None:
                            yield event
                finally:
                    await _abandon(source)
        if endless:
            raise Unreachable(f"{shown(self.url)} ended the stream")

    async def _newest(self) -> int:
        newest = 0
        async for document in self._stream(calls.newest_event(), endless=False):
            newest = document["id"]
        return newest

    async def _object(self, request: wire.Request) -> Json:
        document: Json = await self._document(request)
        return document

    async def _document(self, request: wire.Request) -> Any:
        pauses = wire.pauses(self._retries if request.repeatable else 0)
        while True:
            try:
                return await self.document(request.method, request.path, **request.options())
            except Unreachable:
                pause = next(pauses, None)
                if pause is None:
                    raise
                await anyio.sleep(pause)

    def _with_key(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return dict(options) | {"headers": self._headers | dict(options.get("headers") or {})}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise wire.translated(error, self.url) from None


async def _abandon(lines: AsyncIterator[str]) -> None:
    """End an iterator of httpx in the middle. Its inner generators are not closed with it, which Trio warns about; a
    cancelled read ends them all."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        async for _ in lines:
            pass
