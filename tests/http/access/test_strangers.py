"""A stranger's key: every route of the description, compared with what is unknown; and secrets never come back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import trio

from rookery.model.event import EventQuery
from rookery.model.webhook import DeliveryOutcome
from rookery_http.call_table import TABLE

ADMIN = "the-admin-key"
TOKEN = "7:SECRETTOKEN"
PASSWORD = "hook-password"
HOOK_SECRET = "whsec_" + "QUJD" * 8
LIVE = "/v1/events/stream"

BODIES: dict[str, Any] = {
    "create_session": {"platform": "parrot", "credentials": {"token": "1:abc"}, "id": "{session}"},
    "update_session": {"name": "Mallory"},
    "request_pairing_code": {"phone": "+4915112345678"},
    "send_message": {"to": "7", "text": "hi"},
    "create_webhook": {"url": "http://127.0.0.1:9/x", "session": "{session}"},
    "update_webhook": {"enabled": False},
    "check_health": {"sessions": ["{session}"]},
    "replay": {},
    "create_key": {"scopes": ["read"]},
}
QUERIES: dict[str, dict[str, str]] = {
    "read_events": {"session": "{session}"},
    "list_webhooks": {"session": "{session}"},
    "list_media": {"session": "{session}"},
    "upload_media": {"session": "{session}"},
}
NOTHING_TO_HIDE = {"openapi", "docs", "healthz", "readyz"}


@dataclass
class Ids:
    """What a stranger tries: the id for each kind of path, and the session that is named in bodies and queries."""

    session: str
    message: str
    webhook: str
    event: str
    media: str

    def of(self, path: str) -> str:
        ids = {"messages": self.message, "webhooks": self.webhook, "events": self.event, "media": self.media}
        return ids.get(path.split("/")[2], self.session)

    def __iter__(self) -> Any:
        return iter((self.session, self.message, self.webhook, self.event, self.media))

    def hidden(self, text: str) -> str:
        """The text without these ids, which are quoted wherever they are named."""
        for id in self:
            text = text.replace(f"'{id}'", "'ID'").replace(f'"{id}"', '"ID"')
        return text


UNKNOWN = Ids("nobody", "00000000-0000-7000-8000-000000000000", "wh-000000000000", "999999", "no-such-file")


async def set_up(served: Any) -> tuple[Ids, str]:
    """Another owner's session with one of everything, and the text of a key for a different session."""
    await served.add("mine")
    await served.add("theirs", credentials={"token": TOKEN}, settings={"proxy_password": PASSWORD})
    hook = await served.client.post(
        "/v1/webhooks",
        json={
            "url": f"http://me:{PASSWORD}@127.0.0.1:9/x",
            "session": "theirs",
            "id": "wh-theirs",
            "secret": HOOK_SECRET,
        },
    )
    assert hook.status_code == 201, hook.text
    sent = await served.client.post("/v1/sessions/theirs/messages", json={"to": "7", "text": "hi"})
    await served.parrot.say("theirs", "for their eyes only")
    [event] = await served.engine.read_events(EventQuery(types=("message",)))
    store = served.engine.store
    await store.record_deliveries([DeliveryOutcome(webhook="wh-theirs", event_id=event.id, delivered=False, at=1.0)])
    file = await served.engine.store_media(b"for their eyes only", session="theirs")
    key = await served.client.post(
        "/v1/keys", json={"scopes": ["read", "send", "manage", "call"], "sessions": ["mine"]}
    )
    return Ids("theirs", sent.json()["id"], "wh-theirs", str(event.id), file.id), key.json()["key"]


def filled(value: Any, ids: Ids) -> Any:
    return json.loads(json.dumps(value).replace("{session}", ids.session)) if value is not None else None


async def ask(client: httpx.AsyncClient, row: Any, ids: Ids) -> tuple[int, str]:
    path = row.path.replace("{id}", ids.of(row.path)) if row.takes_id else row.path
    body = BODIES.get(row.name) if row.body is not None else None
    if row.body is not None and row.body_required and row.name not in BODIES:
        body = {}  # what is asked before the body is read must be the same for both
    answer = await client.request(
        row.method, path, json=filled(body, ids), params=filled(QUERIES.get(row.name), ids), timeout=20
    )
    return answer.status_code, answer.text


@pytest.mark.parametrize("row", [row for row in TABLE if row.path != LIVE], ids=lambda row: row.name)
async def test_resources_outside_a_keys_sessions_look_unknown(serve: Any, row: Any) -> None:
    async with serve(key=ADMIN) as served:
        theirs, key = await set_up(served)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False) as client:
            foreign = await ask(client, row, theirs)
            unknown = await ask(client, row, UNKNOWN)
        if row.name not in NOTHING_TO_HIDE:
            assert (foreign[0], theirs.hidden(foreign[1])) == (unknown[0], UNKNOWN.hidden(unknown[1]))
            assert foreign[0] in (403, 404) or "theirs" not in foreign[1]
        if row.takes_id:
            assert foreign[0] == (404 if row.path.split("/")[2] not in ("keys", "sinks") else 403)
        left = await served.client.get("/v1/sessions/theirs")
        assert left.json()["name"] == "theirs"
        assert left.json()["enabled"]
        assert len(served.parrot.sent) == 1
        assert len((await served.client.get("/v1/webhooks")).json()["webhooks"]) == 1
        assert len((await served.client.get("/v1/media")).json()["media"]) == 1


async def test_lists_show_nothing_foreign(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        _, key = await set_up(served)
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False) as client:
            listed = (await client.get("/v1/sessions")).json()["sessions"]
            assert [session["id"] for session in listed] == ["mine"]
            assert {event["session"] for event in (await client.get("/v1/events")).json()["events"]} == {"mine"}
            assert (await client.get("/v1/webhooks")).json()["webhooks"] == []
            assert (await client.get("/v1/media")).json()["media"] == []


async def first_event(port: int, query: str, key: str) -> dict[str, Any]:
    """Follows over a bare connection: httpx leaves an open generator behind when a body is not read to its end."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(f"GET {LIVE}?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        text = b""
        while not (found := re.search(rb"^data: (.*)\n\n", text, re.MULTILINE)):
            piece = await stream.receive_some()
            assert piece
            text += piece
        event: dict[str, Any] = json.loads(found.group(1))
        return event


async def test_a_live_stream_shows_nothing_foreign(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        _, key = await set_up(served)
        await served.parrot.say("mine", "hello")
        for query in ("after=0", "after=0&session=mine"):
            with trio.fail_after(30):
                assert (await first_event(served.port, query, key))["session"] == "mine"
        for session in ("theirs", "nobody"):
            await served.parrot.say("theirs", "psst")
            with trio.move_on_after(0.3) as scope:
                await first_event(served.port, f"after=0&session={session}", key)
            assert scope.cancelled_caught


async def test_secrets_never_come_back(serve: Any) -> None:
    async with serve(key=ADMIN) as served:
        theirs, key = await set_up(served)
        stored = (await served.engine.list_keys())[0]
        await served.engine.read_audit()
        secrets = (TOKEN, "SECRETTOKEN", PASSWORD, HOOK_SECRET, HOOK_SECRET[6:], key, key[3:], stored.digest, ADMIN)
        told = []
        for row in TABLE:
            if row.method == "GET" and row.path != LIVE:
                told.append(await ask(served.client, row, theirs))
        for suffix in ("stop", "start", "restart", "retry", "logout"):
            answer = await served.client.post(f"/v1/sessions/theirs/{suffix}")
            told.append((answer.status_code, answer.text))
        changed = await served.client.patch("/v1/webhooks/wh-theirs", json={"secret": "whsec_" + "QUJE" * 8})
        wrong = await served.client.patch("/v1/sessions/theirs", json={"credentials": {"token": TOKEN + "!", "x": "y"}})
        told += [(changed.status_code, changed.text), (wrong.status_code, wrong.text)]
        assert sum(status == 200 for status, _ in told) > 12
        for secret in secrets:
            assert not [text for _, text in told if secret in text], secret
