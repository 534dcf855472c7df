"""The client for programs without an event loop."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from . import calls, wire
from .calls import Json, Types
from .errors import InvalidAddress, TooMany, Unreachable, shown
from .events import Event


class Client:
    """One server, one connection pool. Use it with `with`, or call `close`.

    Every call returns the API's JSON as dictionaries and raises an error of `rookery_client.errors`. Requests that may be
    repeated twice when their connection fails, including sends, because each send has an idempotency key.
    """

    def __init__(
        self,
        url: str = wire.DEFAULT_URL,
        key: str | None = None,
        *,
        timeout: float = wire.TIMEOUT,
        retries: int = wire.RETRIES,
        http: httpx.Client | None = None,
    ) -> None:
        """`timeout`: seconds to wait for an answer. `http`: your own client (for a proxy, a private CA), which you close."""
        self.url = url.rstrip("/")
        self._retries = retries
        self._own = http is None
        self._headers = wire.headers_of(key)
        try:
            httpx.URL(self.url)
            self._http = http or httpx.Client(timeout=timeout, trust_env=False)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            raise InvalidAddress(self.url) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._own:
            self._http.close()

    # Sessions

    def create_session(self, platform: str, *, id: str | None = None, **fields: Any) -> Json:
        """Fields: `name`, `credentials`, `settings`, `metadata`, `enabled`."""
        return self._object(calls.create_session({"id": id, "platform": platform, **fields}))

    def get_session(self, id: str) -> Json:
        return self._object(calls.get_session(id))

    def list_sessions(self, **filters: Any) -> Iterator[Json]:
        """All sessions that match the filters `platform`, `status` and `enabled`."""
        return self.pages(calls.list_sessions(filters), "sessions")

    def change_session(self, id: str, **fields: Any) -> Json:
        return self._object(calls.change_session(id, fields))

    def delete_session(self, id: str) -> Json:
        return self._object(calls.delete_session(id))

    def steer(self, id: str, verb: str) -> Json:
        """`verb`: start, stop, restart, enable, disable, logout or retry."""
        return self._object(calls.steer(id, verb))

    def history(self, id: str) -> list[Json]:
        history: list[Json] = self._document(calls.history(id))["history"]
        return history

    # Sends

    def send(
        self,
        session: str,
        to: str | int,
        text: str | None = None,
        *,
        wait: float = 10.0,
        idempotency_key: str | None = None,
        **content: Any,
    ) -> Json:
        """Send a message and wait up to `wait` seconds for its outcome (`state`).

        Give `text`, or the API's other fields, such as `type="image", url=...`.
        """
        message = {"to": to, "type": "text" if text is not None and "type" not in content else None, "text": text}
        return self._object(calls.send(session, message | content, wait=wait, idempotency_key=idempotency_key))

    def send_batch(self, session: str, messages: Iterable[Mapping[str, Any]]) -> list[Json]:
        """Submit up to 1,000 messages in one transaction. Returns, for each and in order, the message or its problem."""
        answers: list[Json] = self._object(calls.send_batch(session, messages))["messages"]
        return answers

    def get_message(self, id: str) -> Json:
        return self._object(calls.get_message(id))

    def cancel_message(self, id: str) -> Json:
        return self._object(calls.cancel_message(id))

    def call(self, session: str, method: str, *, platform: str = "telegram", **params: Any) -> Any:
        """Call any method of the platform; returns its `result`."""
        return self._document(calls.call_platform(session, platform, method, params))["result"]

    # Events

    def read_events(
        self, *, after: int = 0, session: str | None = None, chat: str | None = None, type: Types = None
    ) -> Iterator[Event]:
        """The events of the log from `after` to its current end, read page by page."""
        request = calls.read_events(after, {"session": session, "chat": chat, "type": types_of(type), "limit": 500})
        return (wire.typed_event(document) for document in self.pages(request, "events"))

    def events(
        self,
        *,
        after: int | None = None,
        session: str | None = None,
        chat: str | None = None,
        type: Types = None,
        patience: float | None = None,
    ) -> Iterator[Event]:
        """Follow the log forever, without a gap: after a broken connection it continues behind the last event.

        Store the id of the last event that you have processed, and pass it as `after` at the next start; None starts with
        new events only. `patience`: seconds that the server may be unreachable; None waits forever.

        Raises:
            Refused: the key may not do this.
            Unreachable: the server was unreachable for longer than `patience`.
        """
        filters = {"session": session, "chat": chat, "type": types_of(type)}
        last = after
        away: float | None = None
        while True:
            try:
                if last is None:
                    last = self._newest()
                for document in self._stream(calls.follow_events(filters, last_id=last)):
                    away, last = None, document["id"]
                    yield wire.typed_event(document)
            except (Unreachable, TooMany) as error:
                now = time.monotonic()
                away = now if away is None else away
                if patience is not None and now - away > patience:
                    raise
                pause = error.retry_after if isinstance(error, TooMany) else None
                time.sleep(min(pause or 1.0, 60.0))

    # Webhooks

    def create_webhook(self, url: str, **fields: Any) -> Json:
        """Fields: `session`, `events`, `chats`, `secret` and so on. Only this answer contains the secret."""
        return self._object(calls.create_webhook({"url": url, **fields}))

    def list_webhooks(self, session: str | None = None) -> list[Json]:
        webhooks: list[Json] = self._document(calls.list_webhooks(session))["webhooks"]
        return webhooks

    def delete_webhook(self, id: str) -> Json:
        return self._object(calls.delete_webhook(id))

    # The rest of the API

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Make any call, with options of httpx. Raises an error if the server answers with one. The body has been read."""
        with self._errors():
            answer = self._http.request(method, self.url + path, **self._with_key(options))
            wire.check(answer, self.url)
            return answer

    def document(self, method: str, path: str, **options: Any) -> Any:
        """Make any call; returns the JSON of its answer."""
        with self._errors():
            answer = self._http.request(method, self.url + path, **self._with_key(options))
            return wire.document(answer, self.url)

    def pages(self, request: wire.Request, name: str, *, cursor: str = "after") -> Iterator[Json]:
        """The rows of all pages. `cursor` is the parameter that takes the `next` of the previous page."""
        params = dict(request.params)
        while True:
            page = self._document(wire.Request(request.method, request.path, params, repeatable=True))
            yield from page[name]
            params[cursor] = page.get("next")
            if params[cursor] is None:
                return

    def lines(self, path: str, **options: Any) -> Iterator[str]:
        """The lines of an endless answer."""
        timeout = httpx.Timeout(wire.TIMEOUT, read=wire.STREAM_SILENCE)
        options = self._with_key(options)
        with self._errors(), self._http.stream("GET", self.url + path, timeout=timeout, **options) as answer:
            if answer.status_code >= 400:
                answer.read()
            wire.check(answer, self.url)
            yield from answer.iter_lines()

    def pieces(self, path: str, **options: Any) -> Iterator[bytes]:
        """The chunks of an answer of any size, such as a file."""
        options = self._with_key(options)
        with self._errors(), self._http.stream("GET", self.url + path, **options) as answer:
            if answer.status_code >= 400:
                answer.read()
            wire.check(answer, self.url)
            yield from answer.iter_bytes()

    def _stream(self, request: wire.Request, *, endless: bool = True) -> Iterator[Json]:
        lines = wire.EventLines()
        for line in self.lines(request.path, **request.options()):
            if (event := lines.feed(line)) is not None:
                yield event
        if endless:
            raise Unreachable(f"{shown(self.url)} ended the stream")

    def _newest(self) -> int:
        """The id of the newest event, 0 in an empty log: where following begins, so that a lost connection leaves no gap."""
        newest = 0
        for line in self._stream(calls.newest_event(), endless=False):
            newest = line["id"]
        return newest

    def _object(self, request: wire.Request) -> Json:
        document: Json = self._document(request)
        return document

    def _document(self, request: wire.Request) -> Any:
        pauses = wire.pauses(self._retries if request.repeatable else 0)
        while True:
            try:
                return self.document(request.method, request.path, **request.options())
            except Unreachable:
                pause = next(pauses, None)
                if pause is None:
                    raise
                time.sleep(pause)

    def _with_key(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return dict(options) | {"headers": self._headers | dict(options.get("headers") or {})}

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise wire.translated(error, self.url) from None


def types_of(type: Types) -> str | None:
    return type if type is None or isinstance(type, str) else ",".join(type)
