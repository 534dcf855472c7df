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
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakePlatform, event
from support.waiting import until

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


async def test_what_one_instance_erases_another_does_not_show_from_memory(postgres: PostgresBackend) -> None:
    platforms = FakePlatform(), FakePlatform()
    async with open_shared(postgres, platforms[0], "one") as one, open_shared(postgres, platforms[1], "two") as two:
        for id in "ab":
            await one.create_session(id=id, platform="fake")
        await until(lambda: len(running(one)) == len(running(two)) == 1)
        [session] = running(one)
        inbox = platforms[0].link(session).inbox
        seen: list[str] = []

        async def follow() -> None:
            async for each in two.events(after=0, types=["message"]):
                seen.append(each.key)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await inbox.commit([event("first", chat="8")], None)
            await until(lambda: len(seen) == 1)
            start = await two.last_event_id()  # from here on the other instance has the log in memory
            await inbox.commit([event(number) for number in range(5)], None)
            await until(lambda: len(seen) == 6)
            await one.erase_chat(session, "7")
            await inbox.commit([event("later", chat="8")], None)
            await until(lambda: len(seen) == 7)  # the notification of the erasure came before
            late = two.events(after=start, types=["message"])
            with trio.fail_after(15):
                assert [each.key for each in await late.next_page()] == ["later"]
            nursery.cancel_scope.cancel()
