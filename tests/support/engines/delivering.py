"""An engine on a fake platform that delivers to fake endpoints."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import trio

from rookery import Engine, EngineSettings
from rookery.model.event import NewEvent
from support.fake_platform import (
    CALM,
    EPOCH,
    FakePlatform,
    TroubledStore,
    add,
    connected,
    open_fake_engine,
)

ONE = "http://one.example/in"
TWO = "http://two.example/in"


class Endpoints:
    """Records the posts, by URL, and answers them: `on_post` may return a status or a response, hang or raise."""

    def __init__(self) -> None:
        self.posts: dict[str, list[tuple[float, dict[str, Any], httpx.Headers]]] = defaultdict(list)
        self.on_post: Callable[[str, dict[str, Any]], Awaitable[int | httpx.Response]] = self.accept
        self.under_way = 0
        self.most_under_way = 0

    async def accept(self, url: str, body: dict[str, Any]) -> int | httpx.Response:
        return 200

    async def handle(self, request: httpx.Request) -> httpx.Response:
        await trio.lowlevel.checkpoint()
        url, body = str(request.url), json.loads(request.content)
        self.posts[url].append((trio.current_time(), body, request.headers))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = await self.on_post(url, body)
        finally:
            self.under_way -= 1
        return answer if isinstance(answer, httpx.Response) else httpx.Response(answer)

    def keys(self, url: str = ONE, chat: str | None = None) -> list[str]:
        """The keys of the events posted there, in order."""
        return [body["data"]["key"] for _, body, _ in self.posts[url] if chat is None or body["data"]["chat"] == chat]

    def times(self, url: str = ONE) -> list[float]:
        return [at for at, _, _ in self.posts[url]]

    def ids(self, url: str = ONE) -> list[str]:
        return [headers["webhook-id"] for _, _, headers in self.posts[url]]


@asynccontextmanager
async def open_delivering(
    *urls: str, store: TroubledStore | None = None, settings: EngineSettings = CALM, sessions: tuple[str, ...] = ("a",)
) -> AsyncIterator[tuple[Engine, FakePlatform]]:
    """An engine with connected sessions and one webhook for each URL, `wh-0` and so on."""
    platform = FakePlatform()
    async with open_fake_engine(platform, store, settings=settings) as engine:
        await add(engine, *sessions)
        await connected(engine, *sessions)
        for number, url in enumerate(urls):
            await engine.create_webhook(url=url, id=f"wh-{number}")
        yield engine, platform


async def receive(platform: FakePlatform, *events: tuple[str, str] | str, session: str = "a", type: str = "x") -> None:
    """Commit events: keys, or keys with chats."""
    made = []
    for one in events:
        key, chat = one if isinstance(one, tuple) else (one, "7")
        made.append(NewEvent(key, type, EPOCH, chat, "9", b'{"text":"hi"}', b'{"raw":1}'))
    await platform.link(session).inbox.commit(made, None)


async def counts(engine: Engine) -> tuple[int, int]:
    health = await engine.health()
    return health.pending_deliveries, health.dead_letters
