"""Webhooks whose endpoints are a function in the test: everything but the network is real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from rookery.delivery.transports.http import HttpTransport, Server
from rookery.runtime.http_client import AnswerTooSlow, HttpAnswer  # type: ignore[attr-defined]
from rookery.settings import EngineSettings

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class AnsweredTransport(HttpTransport):
    """Each request goes to `handler` instead of a server."""

    def __init__(self, handler: Handler, installation: str) -> None:
        super().__init__(installation=installation, allow_private=True)
        self._handler = handler

    async def exchange(self, server: Server, request: bytes, *, until: float) -> HttpAnswer:
        head, _, body = request.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        scheme = "https" if server.is_https else "http"
        url = httpx.URL(f"{scheme}://{server.host}:{server.port}", raw_path=line.split(b" ")[1])
        headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        try:
            with trio.fail_at(until):
                response = await self._handler(httpx.Request("POST", url, headers=headers, content=body))
        except trio.TooSlowError:
            raise AnswerTooSlow("no answer in time") from None
        answer = HttpAnswer()
        answer.status = response.status_code
        answer.headers = {name.lower(): value for name, value in response.headers.raw}
        answer.body = response.content
        return answer


def answer_posts(monkeypatch: pytest.MonkeyPatch, handler: Handler) -> None:
    """For the rest of the test every webhook's request is answered by `handler`."""

    @asynccontextmanager
    async def open_answered(kind: str, settings: EngineSettings, installation: str) -> AsyncIterator[AnsweredTransport]:
        yield AnsweredTransport(handler, installation)

    monkeypatch.setattr("rookery.delivery.dispatcher.open_transport", open_answered)
