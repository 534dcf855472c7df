"""The event log over a WebSocket: complete, resumable, closed with a reason, and refused to strangers."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from rookery.model.key import Scope
from rookery_http.api.streams import event_socket
from rookery_http.server import websocket
from support.clients.websocket_client import Refused, open_slow_stream, open_websocket
from support.waiting import until

SOCKET = "/v1/events/ws"


def handshake(target: Any) -> Any:
    """For a client that shall not answer by itself."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def texts(found: Any) -> Any:
    return [event["body"]["text"] for event in found]


async def test_from_the_beginning_live_and_resumed(served: Any) -> None:
    await served.add()
    for number in range(5):
        await served.parrot.say("polly", f"m{number}")
    async with open_websocket(served.port, SOCKET + "?after=0&type=message") as client:
        first = await client.some(5)
        await served.parrot.say("polly", "live")
        assert texts([*first, await client.one()]) == ["m0", "m1", "m2", "m3", "m4", "live"]
        await client.close()
        assert client.closed == 1000
    async with open_websocket(served.port, f"{SOCKET}?after={first[2]['id']}") as client:
        assert texts(await client.some(3)) == ["m3", "m4", "live"]
    async with open_websocket(served.port, SOCKET, [("Last-Event-ID", str(first[3]["id"]))]) as client:
        assert texts(await client.some(2)) == ["m4", "live"]
    async with open_websocket(served.port, SOCKET + "?last=1") as client:
        assert texts(await client.some(1)) == ["live"]
    [event] = (await served.client.get("/v1/events", params={"limit": 1, "type": "message"})).json()["events"]
    assert event == first[0], "the same view as everywhere"


async def test_filters_and_what_comes_next(served: Any) -> None:
    await served.add()
    await served.add("jack")
    await served.parrot.say("jack", "before")
    async with open_websocket(served.port, SOCKET + "?session=jack&type=message,edit") as client:
        for number in range(3):
            await served.parrot.say("polly", "no")
            await served.parrot.say("jack", f"yes{number}")
        assert texts(await client.some(3)) == ["yes0", "yes1", "yes2"]


async def test_it_ends_where_the_reader_said(served: Any) -> None:
    await served.add()
    for number in range(3):
        await served.parrot.say("polly", f"m{number}")
    async with open_websocket(served.port, SOCKET + "?after=0&limit=2&type=message") as client:
        assert texts(await client.some(2)) == ["m0", "m1"]
        with trio.fail_after(20):
            assert await client.one() is None
        assert (client.closed, client.reason) == (1000, "the requested limit was reached")


async def test_it_closes_with_going_away_when_the_server_stops(serve: Any) -> None:
    async with serve(drain=20.0) as served:
        await served.add()
        async with open_websocket(served.port, SOCKET + "?type=message") as client:
            served.stop.set()
            before = trio.current_time()
            assert await client.one() is None
            assert (client.closed, client.reason) == (1001, "the server stops")
            assert await client.stream.receive_some() == b""
            assert trio.current_time() - before < 10


async def test_a_client_that_says_no_goodbye_holds_nothing_up(serve: Any) -> None:
    """Neither the pings' next turn nor the missing answer to the close frame delays the end of the server."""
    async with serve(drain=20.0) as served, await trio.open_tcp_stream("127.0.0.1", served.port) as stream:
        await stream.send_all(handshake(SOCKET + "?type=message"))
        assert b"101" in await stream.receive_some()
        started = trio.current_time()
        served.stop.set()
        with trio.fail_after(30):
            while await stream.receive_some():
                pass
    assert trio.current_time() - started < 10


async def test_a_slow_reader_costs_bounded_memory_and_time(serve: Any) -> None:
    """It takes nothing; the server holds a page, and ends in spite of it."""
    async with serve(drain=0.3) as served:
        await served.add()
        async with await open_slow_stream(served.port) as client:
            await client.send_all(handshake(SOCKET + "?after=0&type=message"))
            text = "x" * 50_000
            for _ in range(200):
                await served.parrot.say("polly", text)
            started = trio.current_time()
            served.stop.set()
    assert trio.current_time() - started < 10


async def test_a_reader_that_vanishes_is_noticed(served: Any) -> None:
    await served.add()
    async with open_websocket(served.port, SOCKET + "?type=message") as client:
        await until(lambda: served.engine._tail._waiting, seconds=30)
        linger = struct.pack("ii", 1, 0)
        client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)  # a reset instead of a goodbye
    await until(lambda: not served.engine._tail._waiting, seconds=30)


async def test_chatter_and_nonsense_from_the_client(served: Any) -> None:
    await served.add()
    async with open_websocket(served.port, SOCKET + "?type=message") as client:
        for _ in range(100):
            await client.send("what is the weather like")
        await served.parrot.say("polly", "still here")
        assert texts([await client.one()]) == ["still here"]
        await client.stream.send_all(b"\xff\xff\xff\xff nonsense")
        with trio.fail_after(30):
            while await client.stream.receive_some():
                pass
    async with open_websocket(served.port, SOCKET + "?type=message") as client:
        await client.send("x" * (websocket.MESSAGE_LIMIT + 1))
        assert await client.one() is None
        assert client.closed == 1009


async def test_pings(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING", 0.02)
    async with serve() as served:
        await served.add()
        async with open_websocket(served.port, SOCKET + "?type=message") as client:
            with trio.fail_after(30):
                while client.pings < 3:
                    await client.read()


async def test_the_key_in_the_header(serve: Any) -> None:
    async with serve(key="sesame") as served:
        await served.add()
        async with open_websocket(
            served.port, SOCKET + "?type=message", [("Authorization", "Bearer sesame")]
        ) as client:
            await served.parrot.say("polly", "hello")
            assert texts([await client.one()]) == ["hello"]
        with pytest.raises(Refused) as refused:
            async with open_websocket(served.port, SOCKET, [("Authorization", "Bearer wrong")]):
                raise AssertionError("it opened")
        assert refused.value.status == 401
        assert refused.value.document["detail"] == "this is not the key"


async def test_the_key_as_the_first_message(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_socket, "FIRST_MESSAGE", 0.3)
    async with serve(key="sesame") as served:
        await served.add()
        await served.parrot.say("polly", "before")
        async with open_websocket(served.port, SOCKET + "?after=0&type=message") as client:
            await client.send(json.dumps({"key": "sesame"}))
            assert texts([await client.one()]) == ["before"]
        for wrong in ('{"key": "wrong"}', '{"key": 1}', "sesame", "[]", '{"key": "\\ud800"}'):
            async with open_websocket(served.port, SOCKET + "?after=0&type=message") as client:
                await client.send(wrong)
                assert await client.one() is None
                assert client.closed == 1008
        async with open_websocket(served.port, SOCKET + "?after=0&type=message") as client:
            assert await client.one() is None, "without a word the connection ends"
            assert client.closed == 1008


async def test_a_key_for_one_session_sees_that_session(serve: Any) -> None:
    async with serve(key="sesame") as served:
        await served.add()
        await served.add("jack")
        _, own = await served.engine.create_key(scopes=[Scope.READ], sessions=["jack"])
        _, deaf = await served.engine.create_key(scopes=[Scope.SEND], sessions=["jack"])
        async with open_websocket(
            served.port, SOCKET + "?after=0&type=message", [("Authorization", f"Bearer {own}")]
        ) as client:
            await served.parrot.say("polly", "secret")
            await served.parrot.say("jack", "mine")
            assert texts([await client.one()]) == ["mine"]
        with pytest.raises(Refused) as refused:
            async with open_websocket(served.port, SOCKET, [("Authorization", f"Bearer {deaf}")]):
                raise AssertionError("it opened")
        assert refused.value.status == 403


async def test_it_closes_when_its_key_is_revoked(serve: Any) -> None:
    async with serve(key="sesame") as served:
        await served.add()
        key, secret = await served.engine.create_key(scopes=[Scope.READ])
        async with open_websocket(served.port, SOCKET + "?after=0&type=message") as client:
            await client.send(json.dumps({"key": secret}))
            await served.parrot.say("polly", "hello")
            assert texts([await client.one()]) == ["hello"]
            await served.engine.revoke_key(key.id)
            await served.parrot.say("polly", "not for you")
            assert await client.one() is None
            assert (client.closed, client.reason) == (1008, "the key was revoked or has expired")


@pytest.mark.parametrize("query", ["?after=x", "?after=-1", "?key=sesame", "?session=%00", "?last=99999999"])
async def test_a_bad_query_is_a_problem_document(served: Any, query: Any) -> None:
    with pytest.raises(Refused) as refused:
        async with open_websocket(served.port, SOCKET + query):
            raise AssertionError("it opened")
    assert refused.value.status == 400


async def test_a_cursor_that_the_log_never_gave_out_is_refused(served: Any) -> None:
    """As over server-sent events: its reader would wait silently for ever."""
    beyond = await served.engine.store.highest_event_id() + 1
    for query, headers in ((f"?after={beyond}", []), ("", [("Last-Event-ID", str(beyond))])):
        with pytest.raises(Refused) as refused:
            async with open_websocket(served.port, SOCKET + query, headers):
                raise AssertionError("it opened")
        problem = refused.value.document
        assert (refused.value.status, problem["type"]) == (409, "urn:rookery:problem:unknown-cursor")
        assert f"no event {beyond}" in problem["detail"]


async def test_such_a_cursor_before_the_key_closes_with_the_reason(serve: Any) -> None:
    async with serve(key="sesame") as served:
        newest = await served.engine.store.last_event_id()
        async with open_websocket(served.port, SOCKET + "?after=1000000000") as client:
            await client.send(json.dumps({"key": "sesame"}))
            assert await client.one() is None
            assert client.closed == 1008
            assert client.reason == f"event 1000000000 is unknown; the newest is {newest}"


async def test_web_pages_of_others_are_refused_without_a_key(served: Any) -> None:
    with pytest.raises(Refused) as refused:
        async with open_websocket(served.port, SOCKET, [("Origin", "https://evil.example")]):
            raise AssertionError("it opened")
    assert refused.value.status == 403


async def test_a_plain_request_is_told_to_upgrade(served: Any) -> None:
    answer: httpx.Response = await served.client.get(SOCKET)
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert answer.json()["type"] == "urn:rookery:problem:upgrade-required"
