"""The simulator as a process, steered over HTTP, with an engine that reaches it by the environment that it names."""

from __future__ import annotations

import base64
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from rookery import Engine, Event, SessionStatus
from rookery.errors import Rejected
from rookery_simulator.whatsapp.bodies import SettingsBody
from rookery_simulator.whatsapp.server.state.settings import Settings
from support.waiting import until_found
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, open_whatsapp_engine, qr_of, reach

CAROL = "4915100000003"


class Remote:
    """The simulator in another process."""

    def __init__(self, environment: dict[str, str], client: httpx.AsyncClient) -> None:
        self._environment = environment
        self.client = client

    def environment(self) -> dict[str, str]:
        return self._environment

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def post(self, path: str, **body: Any) -> Any:
        answer = await self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]

    async def write(self, phone: str, /, **message: Any) -> str:
        """The id of a message that this phone writes."""
        return str((await self.post(f"phones/{phone}/messages", **message))["message_id"])


@asynccontextmanager
async def simulator() -> AsyncIterator[Remote]:
    command = [sys.executable, "-m", "rookery_simulator", "whatsapp", "--port", "0"]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        line = b""
        with trio.fail_after(PATIENCE):
            while not line.endswith(b"\n"):
                line += await process.stdout.receive_some()
        said = json.loads(line)
        url = f"{said['control']}/control/"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            yield Remote(said["environment"], client)
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE):
            assert await process.wait() == 0
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + PATIENCE):
            process.kill()
            await process.wait()
            await process.stdout.aclose()


async def came(engine: Engine, id: str, type: str = "message") -> Event:
    def matches(event: Event) -> bool:
        ids = {event.body.get(name) for name in ("message_id", "reaction_id", "edit_id", "vote_id", "deletion_id")}
        return event.type == type and (id in ids or event.key.endswith(id) or id in event.key)

    return await event_where(engine, matches)


async def test_a_test_in_another_process_plays_every_part(tmp_path: Path) -> None:
    async with simulator() as remote, open_whatsapp_engine(remote, tmp_path) as engine:  # type: ignore[arg-type]
        await remote.post("settings", many_prekeys=False)
        for number, name in ((NUMBER, "Alice"), (BOB, "Bob"), (CAROL, "Carol")):
            assert (await remote.post("phones", number=number, name=name))["name"] == name
        await engine.create_session(id="one", platform="whatsapp")
        await remote.post(f"phones/{NUMBER}/scan", code=await qr_of(engine, "one"))
        await reach(engine, "one", SessionStatus.CONNECTED)
        (device,) = (await remote.get(f"phones/{NUMBER}"))["devices"]
        assert device["jid"].startswith(NUMBER)

        id = await remote.write(BOB, to=NUMBER, type="text", text="hello")
        assert (await came(engine, id)).body["text"] == "hello"
        receipts = await until_found(lambda: remote.get(f"phones/{BOB}/sent/{id}"), seconds=PATIENCE)
        assert {each["kind"] for each in receipts} <= {"delivered", "inactive"}
        edit = await remote.write(BOB, type="edit", message_id=id, text="hello again")
        assert (await came(engine, edit, "edited_message")).body["text"] == "hello again"
        await remote.write(BOB, type="revoke", message_id=id)
        assert (await event_where(engine, lambda e: e.type == "deleted_message")).body["message_id"] == id
        data = base64.b64encode(b"a picture").decode()
        id = await remote.write(BOB, to=NUMBER, type="media", data=data, kind="image", caption="look")
        assert (await came(engine, id)).body["kind"] == "image"
        id = await remote.write(BOB, to=NUMBER, type="poll", question="Lunch?", options=["yes", "no"])
        assert (await came(engine, id)).body["kind"] == "poll"
        id = await remote.write(BOB, to=NUMBER, type="location", latitude=52.5, longitude=13.4, name="Berlin")
        assert (await came(engine, id)).body["kind"] == "location"
        id = await remote.write(BOB, to=NUMBER, type="contact", name="Carol", number=CAROL)
        assert (await came(engine, id)).body["kind"] == "contact"

        await engine.send("one", to=BOB, text="hi Bob")
        got = await remote.get(f"phones/{BOB}/messages", after=0, wait=20)
        assert [(each["from"], each["text"]) for each in got["messages"]] == [(NUMBER, "hi Bob")]
        await remote.write(BOB, type="reaction", message_id=got["messages"][0]["message_id"], emoji="+1")
        assert (await event_where(engine, lambda e: e.type == "reaction")).body["emoji"] == "+1"
        await remote.post(f"phones/{BOB}/read", message_id=got["messages"][0]["message_id"])
        await event_where(engine, lambda e: e.type == "receipt" and e.body["receipt"] == "read")

        group = await remote.post("groups", name="Friends", members=[BOB, NUMBER])
        id = await remote.write(BOB, to=group["jid"], type="text", text="all")
        told = await came(engine, id)
        assert (told.chat, told.body["text"]) == (group["jid"], "all")
        id = await remote.write(BOB, type="status", text="open until six", viewers=[NUMBER, CAROL])
        assert (await came(engine, id)).chat == "status@broadcast"
        call = await remote.post(f"phones/{BOB}/ring", to=NUMBER)
        assert (await event_where(engine, lambda e: e.type == "call")).body["call_id"] == call["call_id"]

        await remote.post(f"phones/{NUMBER}/devices", do="send_error", code=463)
        with pytest.raises(Rejected, match="463"):
            await engine.send("one", to=CAROL, text="who are you?")
        logins = (await remote.get(f"phones/{NUMBER}"))["devices"][0]["logins"]
        await remote.post(f"phones/{NUMBER}/devices", do="drop")
        await until_found(
            lambda: remote.get(f"phones/{NUMBER}"),
            lambda answer: answer["devices"][0]["logins"] != logins,
            seconds=PATIENCE,
        )
        await remote.post(f"phones/{NUMBER}/devices", do="remove")
        await reach(engine, "one", SessionStatus.DISCONNECTED)


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("GET", "nothing", None, 404, "there is no call"),
    ("GET", "phones/1/2/3/4", None, 404, "there is no call"),
    ("POST", f"phones/{BOB}/sing", {}, 404, "sing"),
    ("DELETE", f"phones/{BOB}", None, 404, "DELETE"),
    ("POST", "phones", {"number": "+49"}, 400, "$.number"),
    ("POST", "phones", {"number": 49151}, 400, "Expected `str`, got `int` - at `$.number`"),
    ("POST", "phones", {"number": BOB, "nmae": "Bob"}, 400, "nmae"),
    ("POST", "phones", {"number": BOB, "name": 5}, 400, "$.name"),
    ("POST", "phones", {}, 400, "number"),
    ("POST", "phones", [], 400, "Expected `object`, got `array`"),
    ("GET", "phones/me", None, 400, "5 to 15 digits"),
    ("GET", f"phones/{BOB}/messages?after=-1", None, 400, "$.after"),
    ("GET", f"phones/{BOB}/messages?after=x", None, 400, "$.after"),
    ("GET", f"phones/{BOB}/messages?wait=nan", None, 400, "$.wait"),
    ("GET", f"phones/{BOB}/messages?wait=1e9", None, 400, "$.wait"),
    ("GET", f"phones/{BOB}/sent/X", None, 400, "wrote no message 'X'"),
    ("POST", f"phones/{BOB}/scan", {"code": "2@nonsense"}, 400, "code"),
    ("POST", f"phones/{BOB}/scan", {"code": 7}, 400, "$.code"),
    ("POST", f"phones/{BOB}/enter-code", {"code": "ABCD"}, 400, "no device asks"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER, "type": "song"}, 400, "song"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER}, 400, "type"),
    ("POST", f"phones/{BOB}/messages", {"to": "x", "type": "text", "text": "x"}, 400, "digits"),
    ("POST", f"phones/{BOB}/messages", {"to": "1@g.us", "type": "text", "text": "x"}, 400, "no group"),
    ("POST", f"phones/{BOB}/messages", {"to": "x:y@g.us", "type": "text", "text": "x"}, 400, "x:y@g.us"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER, "type": "media", "data": "&"}, 400, "$.data"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER, "type": "media", "data": "", "kind": "film"}, 400, "film"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER, "type": "text", "text": "x" * 70_000}, 400, "$.text"),
    ("POST", f"phones/{BOB}/messages", {"to": NUMBER, "type": "location", "latitude": 91, "longitude": 0}, 400, "90"),
    ("POST", f"phones/{BOB}/messages", {"type": "edit", "message_id": "X", "text": "x"}, 400, "X"),
    ("POST", f"phones/{BOB}/messages", {"type": "reply", "message_id": "X", "text": "x"}, 400, "received no message"),
    ("POST", f"phones/{BOB}/read", {"message_id": "X", "kind": "eaten"}, 400, "eaten"),
    ("POST", f"phones/{BOB}/typing", {"to": NUMBER, "state": "iq"}, 400, "iq"),
    ("POST", f"phones/{BOB}/devices", {"do": "explode"}, 400, "explode"),
    ("POST", f"phones/{BOB}/devices", {"do": "slow", "seconds": "long"}, 400, "$.seconds"),
    ("POST", f"phones/{BOB}/devices", {"do": "send_error"}, 400, "code"),
    ("POST", "groups", {"name": "x", "members": []}, 400, "$.members"),
    ("POST", "channels/1@newsletter/posts", {"text": "x"}, 400, "no channel"),
    ("POST", "settings", {"qr_codes": "many"}, 400, "qr_codes"),
    ("POST", "settings", {"__doc__": "x"}, 400, "__doc__"),
    ("POST", "network", {"state": "slow"}, 400, "slow"),
]


async def test_what_cannot_be_done_is_said_in_words() -> None:
    async with simulator() as remote:
        for method, path, body, status, words in REFUSED:
            answer = await remote.client.request(method, path, json=body)
            assert answer.status_code == status, (path, body, answer.text)
            assert not answer.json()["ok"]
            assert words in answer.json()["error"], (path, body, answer.text)
        for content in (b"{", b"\xff\xfe", b'{"number": "49151', b"[" * 100_000, b'"\\ud800"', b"NaN"):
            answer = await remote.client.post("phones", content=content)
            assert answer.status_code == 400, (content, answer.text)
            assert answer.json()["error"], content
        settings = await remote.post("settings", retry_delay=1)
        assert (settings["retry_delay"], settings["qr_codes"]) == (1, 6)


async def test_a_vote_names_a_poll_and_its_options() -> None:
    async with simulator() as remote:
        poll = await remote.write(BOB, to=CAROL, type="poll", question="Lunch?", options=["yes", "no"])
        text = await remote.write(BOB, to=CAROL, type="text", text="well?")
        for id, options, words in ((poll, ["perhaps"], "yes, no"), (text, ["yes"], "not a poll")):
            vote = {"type": "vote", "message_id": id, "options": options}
            answer = await remote.client.post(f"phones/{CAROL}/messages", json=vote)
            assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text
        await remote.write(CAROL, type="vote", message_id=poll, options=["yes"])
        group = await remote.post("groups", name="Two", members=[BOB, BOB])
        assert group["members"] == [BOB]
        answer = await remote.client.post(
            f"phones/{CAROL}/messages", json={"to": group["jid"], "type": "text", "text": "x"}
        )
        assert (answer.status_code, "not a member" in answer.json()["error"]) == (400, True), answer.text


async def raw(remote: Remote, request: bytes) -> bytes:
    """What the simulator answers until it closes the connection."""
    url = remote.client.base_url
    answer = b""
    async with await trio.open_tcp_stream(url.host, url.port or 0) as stream:
        await stream.send_all(request)
        with trio.fail_after(PATIENCE):
            while data := await stream.receive_some():
                answer += data
    return answer


async def test_requests_that_cannot_be_read_are_answered_and_the_connection_is_closed() -> None:
    async with simulator() as remote:
        head = b"POST /control/phones HTTP/1.1\r\nHost: x\r\n"
        for request, status, words in (
            (b"\x16\x03\x01 hello\r\n\r\n", b"400", b"not an HTTP request"),
            (head + b"Content-Length: 99999999999\r\n\r\n", b"413", b"larger than 64 MiB"),
            (head + b"X: " + b"y" * 300_000, b"431", b"headers"),
            (b"GET /control/phones HTTP/1.0\r\n\r\n", b"200", b'"ok":true'),
            (head + b"Connection: close\r\nContent-Length: 1\r\n\r\n{", b"400", b"JSON"),
        ):
            answer = await raw(remote, request)
            assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
            assert words in answer, answer[:400]
        waiting = head + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n"
        assert (await raw(remote, waiting + b'{"number": "49151"}')).startswith(b"HTTP/1.1 ")


def test_the_address_is_of_this_machine_only_and_a_wrong_one_is_said_in_words() -> None:
    command = [sys.executable, "-m", "rookery_simulator", "whatsapp", "--port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for arguments, words in (
            ([str(taken.getsockname()[1])], "cannot listen on 127.0.0.1:"),
            (["70000"], "0 to 65535"),
            (["0", "--host", "192.0.2.1"], "cannot listen on 192.0.2.1:0"),
        ):
            ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=PATIENCE)
            assert ended.returncode in (1, 2)
            assert words in ended.stderr
            assert "Traceback" not in ended.stderr


def test_every_setting_can_be_changed() -> None:
    assert set(SettingsBody.__struct_fields__) == {field.name for field in fields(Settings)}
