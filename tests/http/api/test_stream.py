"""Server-sent events: complete, resumable, and gone at once when the server stops."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import trio

from rookery.model.key import Scope
from support.clients.websocket_client import open_slow_stream
from support.waiting import until

STREAM = "/v1/events/stream"


@asynccontextmanager
async def following(served: Any, target: str, *headers: tuple[str, str]) -> AsyncIterator[Frames]:
    """A stream over a bare connection: httpx leaves an open generator behind when a body is not read to its end."""
    async with await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        client = h11.Connection(h11.CLIENT)
        request = h11.Request(method="GET", target=target, headers=[("Host", "localhost"), *headers])
        await stream.send_all(client.send(request) + client.send(h11.EndOfMessage()))
        reader = Frames(stream, client)
        answer = await reader.next_event()
        assert isinstance(answer, h11.Response)
        assert answer.status_code == 200
        assert (b"content-type", b"text/event-stream") in list(answer.headers)
        yield reader


class Frames:
    """Events of a stream, parsed as the standard says."""

    def __init__(self, stream: trio.SocketStream, client: h11.Connection) -> None:
        self._stream = stream
        self._client = client
        self._text = ""

    async def next_event(self) -> Any:
        while (event := self._client.next_event()) is h11.NEED_DATA:
            self._client.receive_data(await self._stream.receive_some())
        return event

    async def one(self) -> dict[str, Any] | None:
        """The next frame that is an event, None at the end of the stream."""
        while True:
            while "\n\n" in self._text:
                block, _, self._text = self._text.partition("\n\n")
                fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
                if "data" in fields:
                    return {"id": int(fields["id"]), "event": fields["event"], "data": json.loads(fields["data"])}
            event = await self.next_event()
            if isinstance(event, h11.EndOfMessage):
                return None
            assert isinstance(event, h11.Data)
            self._text += event.data.decode()

    async def some(self, count: int) -> list[dict[str, Any]]:
        """The next `count` events."""
        with trio.fail_after(30):
            found = [await self.one() for _ in range(count)]
        assert None not in found
        return found  # type: ignore[return-value]


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [frame["data"]["body"]["text"] for frame in found]


async def test_from_the_beginning_and_resumed(served: Any) -> None:
    await served.add()
    for number in range(10):
        await served.parrot.say("polly", f"m{number}")
    async with following(served, STREAM + "?after=0&type=message") as frames:
        first = await frames.some(4)
    assert texts(first) == ["m0", "m1", "m2", "m3"]
    assert all(frame["id"] == frame["data"]["id"] and frame["event"] == "message" for frame in first)
    async with following(served, STREAM + "?after=0&type=message", ("Last-Event-ID", str(first[-1]["id"]))) as frames:
        assert texts(await frames.some(6)) == [f"m{number}" for number in range(4, 10)]


async def test_live_with_filters(served: Any) -> None:
    await served.add()
    await served.add("jack")
    await served.parrot.say("polly", "before")
    async with following(served, STREAM + "?session=jack&type=message,edit") as frames:
        for number in range(3):
            await served.parrot.say("polly", "no")
            await served.parrot.say("jack", f"yes{number}")
        assert texts(await frames.some(3)) == ["yes0", "yes1", "yes2"]


async def test_heartbeats_lose_nothing(serve: Any) -> None:
    async with serve(heartbeat=0.01) as served:
        await served.add()

        async def talk() -> None:
            for number in range(30):
                await trio.sleep(0.007)
                await served.parrot.say("polly", str(number))

        async with following(served, STREAM + "?type=message") as frames, trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            assert texts(await frames.some(30)) == [str(number) for number in range(30)]


async def test_it_ends_at_once_when_the_server_stops(serve: Any) -> None:
    async with serve(drain=20.0) as served:
        await served.add()
        async with following(served, STREAM) as frames:
            served.stop.set()
            before = trio.current_time()
            with trio.fail_after(30):
                assert await frames.one() is None, "the body ends properly"
            assert trio.current_time() - before < 10


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 30])
async def test_a_bad_last_event_id_is_a_400(served: Any, last: Any) -> None:
    answer = await served.client.get("/v1/events/stream", headers={"Last-Event-ID": last})
    assert answer.status_code == 400
    assert answer.json()["field"] == "Last-Event-ID"


async def test_a_cursor_that_the_log_never_gave_out_is_refused(served: Any) -> None:
    """Otherwise its reader would wait silently for ever, as after a restore from another backup."""
    beyond = await served.engine.store.highest_event_id() + 1
    calls = (
        ("/v1/events", {"params": {"after": beyond}}),
        ("/v1/events/stream", {"params": {"after": beyond}}),
        ("/v1/events/stream", {"headers": {"Last-Event-ID": str(beyond)}}),
    )
    for path, how in calls:
        answer = await served.client.get(path, **how)
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (409, "urn:rookery:problem:unknown-cursor")
        assert f"no event {beyond}" in problem["detail"]


async def test_head_tells_the_headers_only(served: Any) -> None:
    with trio.fail_after(30):
        answer = await served.client.head("/v1/events/stream")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_many_readers_see_the_same(served: Any) -> None:
    await served.add()
    results: list[list[int]] = []

    async def follow() -> None:
        async with following(served, STREAM + "?after=0&type=message") as frames:
            results.append([frame["id"] for frame in await frames.some(50)])

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(follow)
        for number in range(50):
            await served.parrot.say("polly", str(number))
    assert len(results) == 100
    assert all(result == results[0] == sorted(result) for result in results)


@pytest.mark.parametrize("how", ["revoked here", "revoked elsewhere", "expired"])
async def test_it_ends_with_its_key(serve: Any, how: Any) -> None:
    async with serve(key="sesame") as served:
        await served.add()
        expires_in = 1.0 if how == "expired" else None
        key, secret = await served.engine.create_key(scopes=[Scope.READ], expires_in=expires_in)
        _, other_secret = await served.engine.create_key(scopes=[Scope.READ])
        bearer, others = [("Authorization", f"Bearer {text}") for text in (secret, other_secret)]
        async with (
            following(served, STREAM + "?type=message", bearer) as frames,
            following(served, STREAM + "?type=message", others) as unharmed,
        ):
            await served.parrot.say("polly", "hello")
            assert texts(await frames.some(1)) == ["hello"]
            if how == "revoked here":
                await served.engine.revoke_key(key.id)
            elif how == "revoked elsewhere":
                await served.engine.store.delete_key(key.id)
            with trio.fail_after(30):
                assert await frames.one() is None, "the body ends properly"
            await served.parrot.say("polly", "only for those who may")
            assert texts(await unharmed.some(2))[-1] == "only for those who may"
        await until(lambda: not served.engine._keyring._watched, seconds=30)


async def test_it_ends_where_the_reader_said(served: Any) -> None:
    await served.add()
    for number in range(5):
        await served.parrot.say("polly", f"m{number}")
    with trio.fail_after(20):
        answer = await served.client.get(STREAM, params={"after": 0, "limit": 3, "type": "message"})
        assert answer.text.count("data: ") == 3
        assert '"text":"m2"' in answer.text
        answer = await served.client.get(STREAM, params={"after": 0, "timeout": 0.2, "type": "message"})
        assert answer.text.count("data: ") == 5
        assert (await served.client.get(STREAM, params={"limit": 1, "timeout": 0})).text.count("data: ") == 0


async def test_a_slow_reader_costs_bounded_memory_and_time(serve: Any) -> None:
    """It takes nothing; the server holds a page for it, goes on for the others, and ends in spite of it."""
    async with serve(drain=0.3) as served:
        await served.add()
        async with (
            await open_slow_stream(served.port) as client,
            following(served, STREAM + "?after=0&type=message") as frames,
        ):
            await client.send_all(f"GET {STREAM}?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            text = "x" * 50_000
            tracemalloc.start()
            try:
                for number in range(400):  # 20 MB, of which the caches keep what the first half has
                    await served.parrot.say("polly", f"{number} {text}")
                    if number == 200:
                        gc.collect()  # what waits for the collector is megabytes, more or less by chance
                        before = tracemalloc.get_traced_memory()[0]
                    assert (await frames.one())["data"]["body"]["text"].startswith(f"{number} ")  # type: ignore[index]
                gc.collect()
                grown = tracemalloc.get_traced_memory()[0] - before
            finally:
                tracemalloc.stop()
            assert grown < 5_000_000, f"{grown} bytes more for 10 MB that a reader did not take"
            started = trio.current_time()
            served.stop.set()
    assert trio.current_time() - started < 20
