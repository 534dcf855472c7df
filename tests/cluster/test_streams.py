"""A live stream goes on at another instance."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import trio

from rookery import EventQuery
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from store.backends import PostgresBackend
from support.engines.shared_engines import open_shared, running, until
from support.fake_platform import FakePlatform, event

EVENTS = 60


async def read(url: str, last: int, limit: int) -> list[Any]:
    """The next ids of a stream that is resumed behind `last`."""
    async with httpx.AsyncClient(trust_env=False, timeout=40) as client:
        answer = await client.get(
            f"{url}/v1/events/stream",
            params={"limit": limit, "timeout": 30, "after": 0, "type": "message"},
            headers={"Last-Event-ID": str(last)},
        )
    return [int(line[4:]) for line in answer.text.splitlines() if line.startswith("id: ")]


async def test_it_resumes_elsewhere_without_a_gap(postgres: PostgresBackend) -> None:
    platforms = FakePlatform(), FakePlatform()
    stop = trio.Event()
    async with (
        open_shared(postgres, platforms[0], "one") as one,
        open_shared(postgres, platforms[1], "two") as two,
        trio.open_nursery() as nursery,
    ):
        urls = []
        for engine in (one, two):
            settings = ApiSettings(port=0, drain=0.5)
            (address, *_) = await nursery.start(partial(serve_api, engine, settings, stop=stop))
            urls.append(address.url)
        await one.create_session(id="a", platform="fake")
        await until(lambda: running(one) | running(two) == {"a"})
        link = platforms[0 if running(one) else 1].link()

        async def talk() -> None:
            for number in range(EVENTS):
                await link.inbox.commit([event(number)], None)
                await trio.sleep(0.01)

        nursery.start_soon(talk)
        seen: list[int] = []
        with trio.fail_after(60):
            while len(seen) < EVENTS:  # every few events the reader turns to the other one
                url = urls[len(seen) // 7 % 2]
                seen += await read(url, seen[-1] if seen else 0, min(7, EVENTS - len(seen)))
        log = await two.read_events(EventQuery(types=("message",)))
        assert seen == [found.id for found in log]
        assert len(log) == EVENTS
        stop.set()
