"""Webhooks whose endpoints are a function in the test: everything but the network is real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from rookery.delivery.http_transport import HttpTransport
from rookery.runtime.http_client import HttpAnswer  # type: ignore[attr-defined]
from rookery.settings import EngineSettings

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


class AnsweredTransport(HttpTransport):
    """Each request goes to `handler` instead of a server."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(allow_private=True)
        self._handler = handler

    async def exchange(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> HttpAnswer:
        response = await self._handler(httpx.Request("POST", url, headers=headers, content=body))
        answer = HttpAnswer()
        answer.status = response.status_code
        answer.headers = {name.lower(): value for name, value in response.headers.raw}
        answer.body = response.content
        return answer


def answer_posts(monkeypatch: pytest.MonkeyPatch, handler: Handler) -> None:
    """For the rest of the test every webhook's request is answered by `handler`."""

    @asynccontextmanager
    async def open_answered(kind: str, settings: EngineSettings) -> AsyncIterator[AnsweredTransport]:
        yield AnsweredTransport(handler)

    monkeypatch.setattr("rookery.delivery.dispatcher.open_transport", open_answered)
