"""The client library against a real server: without an event loop, under Trio and under asyncio."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import standardwebhooks
import trio

from rookery_client import AsyncClient, BadSignature, Client, Event, verify
from rookery_client.errors import Conflict, Forbidden, Invalid, InvalidAddress, NotFound, Unauthorized, Unreachable
from rookery_client.wire import EventLines
from rookery_simulator.bot_api import open_bot_api_simulator
from support.server_process import open_server_process
from support.traffic import add_sessions, settings_for
from support.waiting import until

T = TypeVar("T")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
EVENT = {
    "id": 7,
    "session": "shop",
    "platform": "telegram",
    "type": "message",
    "key": "12",
    "time": "2026-01-31T12:00:00Z",
    "chat": "42",
    "sender": "9",
    "body": {"text": "hi"},
    "raw": {"update_id": 12},
}


async def in_thread(work: Callable[[], T]) -> T:
    with trio.fail_after(30):
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def test_everyday_calls_without_a_loop(served: Any) -> None:
    def work() -> None:
        with Client(served.url) as client:
            made = client.create_session("parrot", id="polly", credentials={"token": "1:abc"}, name="Polly")
            assert made["id"] == "polly"
            assert client.change_session("polly", name="P")["name"] == "P"
            assert [one["id"] for one in client.list_sessions(platform="parrot")] == ["polly"]
            assert list(client.list_sessions(platform="other")) == []
            deadline = time.monotonic() + 20
            while client.get_session("polly")["status"] != "CONNECTED":
                assert time.monotonic() < deadline
                time.sleep(0.01)
            sent = client.send("polly", "7", "hello")
            assert sent["state"] == "sent"
            assert client.get_message(sent["id"])["receipt"]["message_id"] == "1"
            again = [client.send("polly", 7, "once", idempotency_key="k")["id"] for _ in range(2)]
            assert again[0] == again[1]
            hook = client.create_webhook("https://example.org/hook", events=["message"])
            assert [one["id"] for one in client.list_webhooks()] == [hook["id"]]
            client.delete_webhook(hook["id"])
            assert client.steer("polly", "stop")["enabled"] is False
            assert client.history("polly")
            assert client.delete_session("polly")["deleted"]

    await in_thread(work)
    assert [message.content.text for message in served.parrot.sent] == ["hello", "once"]


async def test_refusals_are_errors_of_their_kind(serve: Any) -> None:
    async with serve(key="sesame") as served:

        def work() -> None:
            with Client(served.url, "wrong") as client, pytest.raises(Unauthorized):
                client.get_session("a")
            with Client(served.url, "sesame") as client:
                with pytest.raises(NotFound) as missing:
                    client.get_session("a/b ?")
                assert missing.value.status == 404
                client.create_session("parrot", id="a", credentials={"token": "1:abc"}, enabled=False)
                with pytest.raises(Conflict):
                    client.create_session("parrot", id="a", credentials={"token": "1:abc"})
                with pytest.raises(Invalid) as wrong:
                    client.create_session("parrot", id="b", credentials={"token": "nonsense"})
                assert wrong.value.field == "credentials.token"
                key = client.document("POST", "/v1/keys", json={"name": "reader", "scopes": ["read"]})
            with Client(served.url, key["key"]) as client, pytest.raises(Forbidden):
                client.send("a", "7", "hi")
            assert "sesame" not in repr(vars(missing.value))

        await in_thread(work)


def test_no_server_and_no_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with Client(f"http://127.0.0.1:{port}", retries=0) as client, pytest.raises(Unreachable, match="no server"):
            client.get_session("a")
        with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(Unreachable):
            next(client.events(after=0, patience=0.0))
    for url in ("http://[::1", "nonsense", ""):
        with pytest.raises(InvalidAddress), Client(url) as client:
            client.get_session("a")


def test_a_server_that_is_not_rookery_raises_a_clear_error() -> None:
    for answer in (
        httpx.Response(200, text="<html>"),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(404, json=[]),
    ):
        http = httpx.Client(transport=httpx.MockTransport(lambda _, answer=answer: answer))
        with (
            http,
            Client("http://127.0.0.1:1", http=http, retries=0) as client,
            pytest.raises(Unreachable, match="Rookery"),
        ):
            client.get_session("a")


def test_a_send_whose_answer_was_lost_is_repeated_with_the_same_key() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("the connection broke")
        return httpx.Response(200, json={"id": "m", "state": "sent"})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http, Client("http://127.0.0.1:1", http=http) as client:
        assert client.send("shop", "7", "hi")["state"] == "sent"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_delete_is_not_repeated() -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        raise httpx.ReadError("the connection broke")

    http = httpx.Client(transport=httpx.MockTransport(answer))
    with http, Client("http://127.0.0.1:1", http=http) as client, pytest.raises(Unreachable):
        client.delete_session("shop")
    assert len(requests) == 1


async def test_the_log_page_by_page(served: Any) -> None:
    await served.add()
    for number in range(7):
        await served.parrot.say("polly", f"word {number}")

    def work() -> list[Event]:
        with Client(served.url) as client:
            return list(client.read_events(type=["message"], session="polly"))

    found = await in_thread(work)
    assert [event.text for event in found] == [f"word {number}" for number in range(7)]
    assert found[0].raw == {"parrot": True}
    assert found[0].time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


async def test_following_under_trio_begins_with_what_comes_next(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "before")
    async with AsyncClient(served.url) as client, aclosing(client.events(type="message")) as events:
        seen: list[str | None] = []

        async def follow() -> None:
            async for event in events:
                seen.append(event.text)
                if event.text == "last":
                    return

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                number = 0
                while "first" not in seen:  # it may not follow yet
                    number += 1
                    await served.parrot.say("polly", "first")
                    await trio.sleep(0.02)
                await served.parrot.say("polly", "last")
    assert "before" not in seen
    assert seen[-1] == "last"


async def test_asyncio_is_served_as_well(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "hi")

    async def main() -> list[Any]:
        async with AsyncClient(served.url) as client:
            sent = await client.send("polly", "7", "from asyncio")
            async with aclosing(client.events(after=0, type="message")) as events:
                async for event in events:
                    return [sent["state"], event.text, [one["id"] async for one in client.list_sessions()]]
        raise AssertionError

    assert await in_thread(lambda: asyncio.run(main())) == ["sent", "hi", ["polly"]]


async def test_following_goes_on_after_a_restart_of_the_server(tmp_path: Path) -> None:
    """`kill -9` of the server: the follower waits, and gets each later event once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    seen: list[str | None] = []
    heard = trio.Event()

    async def follow(url: str) -> None:
        async with AsyncClient(url) as client, aclosing(client.events(after=0, type="message")) as events:
            async for event in events:
                seen.append(event.text)
                heard.set()
                if event.text == "last":
                    return

    async with open_bot_api_simulator() as simulator:
        bot = simulator.new_bot()
        environment = settings_for(simulator) | {"ROOKERY_PORT": port}
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                async with open_server_process(tmp_path, environment=environment) as server:
                    url = await server.listening()
                    await add_sessions(server, {"bot": bot.token})
                    nursery.start_soon(follow, url)
                    bot.push_text("first")
                    await heard.wait()
                    server.process.kill()
                bot.push_text("meanwhile")
                async with open_server_process(tmp_path, environment=environment) as server:
                    await server.listening()
                    bot.push_text("last")
                    await until(lambda: "last" in seen)
    assert seen == ["first", "meanwhile", "last"]


def delivery(document: object, secret: str = SECRET, id: str = "evt_7") -> tuple[bytes, dict[str, str]]:
    body = json.dumps(document).encode()
    now = datetime.now(UTC)
    signature = standardwebhooks.Webhook(secret).sign(id, now, body.decode())
    return body, {"Webhook-Id": id, "Webhook-Timestamp": str(int(now.timestamp())), "Webhook-Signature": signature}


def test_a_delivery_is_checked() -> None:
    body, headers = delivery({"type": "message", "timestamp": EVENT["time"], "data": EVENT})
    event = verify(body, headers, SECRET)
    assert (event.id, event.text, event.chat) == (7, "hi", "42")
    other = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
    for wrong_body, wrong_headers, secret in (
        (body + b" ", headers, SECRET),
        (body, headers, other),
        (body, headers, "no secret"),
        (body, {}, SECRET),
        (body, headers | {"Webhook-Timestamp": "1"}, SECRET),
        (*delivery({"type": "message"}), SECRET),
        (*delivery([]), SECRET),
    ):
        with pytest.raises(BadSignature):
            verify(wrong_body, wrong_headers, secret)


def test_lines_become_events() -> None:
    lines = EventLines()
    text = f"retry: 5\n: heartbeat\n\nid: 7\nevent: message\ndata: {json.dumps(EVENT)}\n\ndata: nonsense\n\n"
    found = [event for line in text.split("\n") if (event := lines.feed(line)) is not None]
    assert found == [EVENT]
    assert Event.of(found[0]).text == "hi"
    with pytest.raises(ValueError, match="not an event"):
        Event.of({"id": 7})


def test_an_import_loads_little() -> None:
    code = "import sys, rookery_client; print(sorted({'httpx', 'trio', 'rookery', 'anyio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = "import sys; from rookery_client import Client; print({'trio', 'rookery', 'quart'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
