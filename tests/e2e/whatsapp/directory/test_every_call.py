"""Every call about people, groups, channels, profile, presence and calls, over HTTP: from SQLite, from PostgreSQL at the
owner and at another instance, once while the session is disconnected, with bad input, and without an answer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from rookery import Engine, SessionStatus
from rookery.features.platform import directory
from rookery_http.call_table import TABLE
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from support.whatsapp_engine import BOB, PATIENCE, link, open_whatsapp_engine, reach

CAROL = "4915100000003"
NO_GROUP, NO_CHANNEL = "120363999999999999@g.us", "999999999999@newsletter"
JPEG = base64.b64encode(b"\xff\xd8 a picture").decode()
TAGS = {"contacts", "groups", "channels", "profile"}


@dataclass
class World:
    """What the rows of the table talk about; `group` and `call` come from earlier rows and calls."""

    whatsapp: WhatsAppSimulator
    alice: Phone
    bob: Phone
    other: Any  # a group that Alice is not in
    channel: Any
    group: str = ""
    call: str = ""

    def fill(self, text: str) -> str:
        return text.format(
            bob=BOB, group=self.group, call=self.call, invite=self.other.invite, channel=self.channel.jid
        )


@dataclass(frozen=True)
class Row:
    """A call that works; `check` gets its answer."""

    method: str
    path: str
    check: Callable[[World, Any], object]
    json: dict[str, Any] | None = None

    @property
    def route(self) -> str:
        """As in the description of the API."""
        path = self.path.partition("?")[0].replace("{group}", "{chat}").replace("{channel}", "{chat}")
        return f"{self.method} {path.replace('{bob}', '{who}')}"


def made(world: World, answer: Any) -> bool:
    world.group = answer["chat"]
    return bool(answer["name"] == "Friends" and len(answer["participants"]) == 2)


def changed(world: World, answer: Any) -> bool:
    return bool(CHANGES.items() <= (answer | {"picture": JPEG}).items())


def names(rows: Any) -> list[str]:
    return [each["name"] for each in rows]


def is_link(answer: Any) -> bool:
    return bool(answer["link"].startswith("https://chat.whatsapp.com/"))


CHANGES = {
    "name": "Old friends",
    "description": "cake",
    "only_admins_send": True,
    "only_admins_edit": True,
    "expires_in": 86_400,
    "picture": JPEG,
}
NUMBERS = [f"+{BOB}", "+49 151 9999 9999"]

ROWS = [
    Row("GET", "contacts?q=bo", lambda w, a: names(a["contacts"]) == ["Bob"]),
    Row("GET", "contacts/{bob}", lambda w, a: a["lid"] == str(w.bob.lid)),
    Row("GET", "contacts/{bob}/picture", lambda w, a: a["picture"]["url"]),
    Row(
        "POST",
        "contacts/check",
        lambda w, a: [each["exists"] for each in a["contacts"]] == [True, False],
        {"phones": NUMBERS},
    ),
    Row("PUT", "contacts/{bob}/block", lambda w, a: a["blocked"]),
    Row("PUT", "contacts/{bob}/timer", lambda w, a: a["expires_in"] == 86_400, {"expires_in": 86_400}),
    Row("GET", "blocked", lambda w, a: len(a["blocked"]) == 1),
    Row("DELETE", "contacts/{bob}/block", lambda w, a: not a["blocked"]),
    Row("POST", "groups", made, {"name": "Friends", "participants": [BOB]}),
    Row("GET", "groups", lambda w, a: w.group in {each["chat"] for each in a["groups"]}),
    Row("GET", "groups/{group}", lambda w, a: a["name"] == "Friends"),
    Row("PATCH", "groups/{group}", changed, CHANGES),
    Row(
        "POST",
        "groups/{group}/participants",
        lambda w, a: [each["error"] for each in a["participants"]] == [None, None],
        {"add": [CAROL], "promote": [CAROL]},
    ),
    Row("GET", "groups/{group}/requests", lambda w, a: a["participants"] == []),
    Row("GET", "groups/{group}/invite", lambda w, a: is_link(a)),
    Row("DELETE", "groups/{group}/invite", lambda w, a: is_link(a)),
    Row("GET", "groups/preview?link={invite}", lambda w, a: a["name"] == "Other"),
    Row("POST", "groups/join", lambda w, a: a["chat"] == str(w.other.jid), {"link": "{invite}"}),
    Row("DELETE", "groups/{group}", lambda w, a: a["left"]),
    Row("POST", "channels", lambda w, a: a["name"] == "News", {"channel": "{channel}"}),
    Row("GET", "channels", lambda w, a: names(a["channels"]) == ["News"]),
    Row("GET", "channels/{channel}", lambda w, a: a["description"] == "What is new"),
    Row("DELETE", "channels/{channel}", lambda w, a: a["left"]),
    Row("GET", "profile", lambda w, a: a["phone"] == str(w.alice.jid)),
    Row(
        "PATCH",
        "profile",
        lambda w, a: (a["name"], a["about"]) == ("Alicia", "busy"),
        {"name": "Alicia", "about": "busy", "picture": JPEG},
    ),
    Row("POST", "presence", lambda w, a: a["state"] == "online", {"state": "online", "subscribe": BOB}),
    Row("POST", "calls/{call}/reject", lambda w, a: a["rejected"]),
]

NO_LINK = "0" * 22
REFUSED = (422, "WhatsApp refused")
BAD: list[tuple[str, str, dict[str, Any] | None, tuple[int, str]]] = [
    ("GET", "contacts?q=", None, (400, "q")),
    ("GET", "contacts/nobody", None, (400, "who")),
    ("GET", "contacts/nobody/picture", None, (400, "who")),
    ("POST", "contacts/check", {"phones": []}, (400, "phones")),
    ("POST", "contacts/check", {"phones": [NO_GROUP]}, (400, "phones")),
    ("PUT", "contacts/nobody/block", None, (400, "who")),
    ("DELETE", "contacts/nobody/block", None, (400, "who")),
    ("PUT", "contacts/nobody/timer", {"expires_in": 0}, (400, "who")),
    ("PUT", "contacts/{bob}/timer", {"expires_in": -1}, (400, "expires_in")),
    ("POST", "groups", {"name": ""}, (400, "name")),
    ("POST", "groups", {"name": "x", "participants": ["nobody"]}, (400, "participants")),
    ("GET", f"groups/{NO_GROUP}", None, REFUSED),
    ("GET", f"groups/{BOB}", None, (400, "chat")),
    ("PATCH", "groups/{group}", {"expires_in": -1}, (400, "expires_in")),
    ("PATCH", f"groups/{NO_GROUP}", {"name": "x"}, REFUSED),
    ("POST", "groups/{group}/participants", {}, (400, "add")),
    ("POST", "groups/{group}/participants", {"remove": []}, (400, "remove")),
    ("POST", f"groups/{NO_GROUP}/participants", {"add": [CAROL]}, REFUSED),
    ("GET", f"groups/{NO_GROUP}/requests", None, REFUSED),
    ("GET", f"groups/{NO_GROUP}/invite", None, REFUSED),
    ("DELETE", f"groups/{NO_GROUP}/invite", None, REFUSED),
    ("GET", "groups/preview?link=short", None, (400, "link")),
    ("GET", f"groups/preview?link={NO_LINK}", None, REFUSED),
    ("POST", "groups/join", {"link": "short"}, (400, "link")),
    ("POST", "groups/join", {"link": NO_LINK}, REFUSED),
    ("DELETE", f"groups/{BOB}", None, (400, "chat")),
    ("POST", "channels", {"channel": "short"}, (400, "channel")),
    ("POST", "channels", {"channel": NO_CHANNEL}, REFUSED),
    ("GET", f"channels/{NO_CHANNEL}", None, REFUSED),
    ("DELETE", f"channels/{NO_CHANNEL}", None, REFUSED),
    ("PATCH", "profile", {"name": ""}, (400, "name")),
    ("PATCH", "profile", {"color": "red"}, (400, "color")),
    ("POST", "presence", {}, (400, "state")),
    ("POST", "presence", {"state": "busy"}, (400, "state")),
    ("POST", "presence", {"subscribe": "nobody"}, (400, "subscribe")),
    ("POST", "calls/never/reject", None, (404, "call")),
]


def test_the_table_has_every_call() -> None:
    described = {f"{call.method} {call.path.removeprefix('/v1/sessions/{id}/')}" for call in TABLE if call.tag in TAGS}
    assert {row.route for row in ROWS} == described


@asynccontextmanager
async def served(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the engine's API, for its session `one`."""
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        (address, *_) = await nursery.start(
            partial(serve_api, engine, ApiSettings(port=0, drain=1.0), stop=stop, platforms={})
        )
        async with httpx.AsyncClient(
            base_url=f"{address.url}/v1/sessions/one/", trust_env=False, timeout=PATIENCE
        ) as client:
            yield client
        stop.set()


async def ask(client: httpx.AsyncClient, world: World, method: str, path: str, json: Any) -> httpx.Response:
    if isinstance(json, dict):
        json = {name: world.fill(value) if isinstance(value, str) else value for name, value in json.items()}
    return await client.request(method, world.fill(path), json=json)


async def all_work(client: httpx.AsyncClient, world: World) -> None:
    for row in ROWS:
        if "{call}" in row.path:
            world.call = world.bob.ring(world.alice)
            await rings(client, world.call)
        answer = await ask(client, world, row.method, row.path, row.json)
        assert answer.status_code == 200, (row.route, answer.text)
        assert row.check(world, answer.json()), (row.route, answer.text)
    for method, path, json, (status, words) in BAD:
        refused = await ask(client, world, method, path, json)
        assert refused.status_code == status, (method, path, json, refused.text)
        problem = refused.json()
        assert words in f"{problem.get('field')} {problem['detail']}", (method, path, json, refused.text)


async def rings(client: httpx.AsyncClient, call: str) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            page = await client.get("../../events", params={"type": "call", "limit": 500})
            if call in {event["body"]["call_id"] for event in page.json()["events"]}:
                return
            await trio.sleep(0.02)


async def all_say_that_it_is_disconnected(client: httpx.AsyncClient, world: World) -> None:
    for row in ROWS:
        answer = await ask(client, world, row.method, row.path, row.json)
        assert answer.status_code == 409, (row.route, answer.text)
        assert answer.json()["type"] == "urn:rookery:problem:not-connected", (row.route, answer.text)
        assert "DISCONNECTED" in answer.json()["detail"]


async def prepared(engine: Engine, whatsapp: WhatsAppSimulator) -> tuple[World, LinkedDevice]:
    bob = whatsapp.phone(BOB, "Bob")
    bob.picture = b"jpeg"
    whatsapp.phone(CAROL, "Carol")
    alice, device = await link(engine, whatsapp)
    sent = bob.send_text(alice, "hello")  # from now on the account knows Bob
    with trio.fail_after(PATIENCE):
        await sent.delivered()
    channel = whatsapp.channel("News", description="What is new", owner=bob)
    return World(whatsapp, alice, bob, whatsapp.group("Other", bob), channel), device


def anew(world: World) -> None:
    """As before the last round: Alice is in none of the groups."""
    world.other = world.whatsapp.group("Other", world.bob)


async def test_from_sqlite(whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        world, device = await prepared(engine, whatsapp)
        async with served(engine) as client:
            await all_work(client, world)
            monkeypatch.setattr(directory, "SECONDS", 1.0)
            device.silence()
            for method, path, json in (("GET", "groups", None), ("PATCH", "profile", {"about": "gone?"})):
                silent = await client.request(method, path, json=json)
                assert silent.status_code == 504, silent.text
                assert "did not answer" in silent.json()["detail"], silent.text
            await engine.stop("one")
            await reach(engine, "one", SessionStatus.DISCONNECTED)
            await all_say_that_it_is_disconnected(client, world)


async def test_from_postgresql_at_any_instance(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    async with (
        open_whatsapp_engine(whatsapp, tmp_path / "a", **database) as first,
        open_whatsapp_engine(whatsapp, tmp_path / "b", **database) as second,
    ):
        world, _ = await prepared(first, whatsapp)
        owner, other = (first, second) if "one" in first.running_here() else (second, first)
        async with served(owner) as near, served(other) as far:
            await all_work(near, world)
            anew(world)
            await all_work(far, world)
            assert "one" in owner.running_here()
            await owner.stop("one")
            for engine, client in ((owner, near), (other, far)):
                await reach(engine, "one", SessionStatus.DISCONNECTED)
                await all_say_that_it_is_disconnected(client, world)
