"""One conversation over WhatsApp, as the API and `rookery chats` show it; erasing it leaves nothing."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from rookery import Engine
from rookery_http.compose import platform_inputs
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from rookery_simulator.whatsapp import WhatsAppSimulator
from store.backends import PostgresBackend, run_sql
from support.webhook_receiver import open_webhook_receiver
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, QUICK, event_where, link, open_whatsapp_engine

CAROL = "4915100000003"
WRITTEN = "+49 151 0000 0002"
"""Bob's number as a person writes it."""
MARK = "ZEBRA"
KEPT = "GIRAFFE"
SETTINGS = msgspec.structs.replace(QUICK, media_fetch="document", webhook_attempts=1, status_events=True)


@asynccontextmanager
async def served(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        api = ApiSettings(port=0, drain=0.5)
        (address, *_) = await nursery.start(partial(serve_api, engine, api, stop=stop, platforms=platform_inputs()))
        async with httpx.AsyncClient(base_url=address.url, trust_env=False, timeout=PATIENCE) as client:
            yield client
        stop.set()


async def rookery(client: httpx.AsyncClient, *arguments: str) -> str:
    command = [sys.executable, "-m", "rookery_http", *arguments, "--url", str(client.base_url)]
    return (await trio.run_process(command, capture_stdout=True)).stdout.decode()


async def talk(engine: Engine, client: httpx.AsyncClient, whatsapp: WhatsAppSimulator) -> list[str]:
    """A conversation with all that can happen to a message. Returns the ids of our sends."""
    bob, alice = whatsapp.phone(BOB, "Bob"), whatsapp.phone(NUMBER)
    ids: list[str] = []

    async def send(**body: Any) -> Any:
        headers = {"Idempotency-Key": f"{MARK}-{len(ids)}"}
        answer = await client.post("/v1/sessions/one/messages?wait=20", json={"to": WRITTEN} | body, headers=headers)
        assert answer.json()["state"] == "sent", answer.text
        ids.append(answer.json()["id"])
        return answer.json()["receipt"]["message_id"]

    asked = bob.send_text(alice, f"{MARK} Is it payed?")
    regretted = bob.send_text(alice, f"{MARK} for somebody else")
    await event_where(engine, lambda event: event.body.get("message_id") == regretted.id)
    answered = await send(text=f"{MARK} It is payd.")
    mistake = await send(text=f"{MARK} a mistake")
    received = await bob.received.wait_for(lambda each: each.id == answered)
    bob.edit(asked, f"{MARK} Is it paid?")
    bob.revoke(regretted)
    bob.react(received, "👍")
    await send(type="edit", message_id=answered, text=f"{MARK} It is paid.")
    await send(type="delete", message_id=mistake)
    await send(type="reaction", message_id=asked.id, emoji="👀")
    bob.send_media(alice, MARK.encode() * 500, kind="document", mimetype="text/plain", name=f"{MARK}.txt")
    await event_where(engine, lambda event: event.type == "media.stored")
    whatsapp.phone(CAROL, "Carol").send_text(alice, f"{KEPT} is another chat")
    await event_where(engine, lambda event: KEPT in str(event.body.get("text")))
    return ids


async def check_shown(client: httpx.AsyncClient, whatsapp: WhatsAppSimulator) -> None:
    chat = str(whatsapp.phone(BOB).jid)
    shown = json.loads(await rookery(client, "chats", "one", WRITTEN, "--json"))
    page = (await client.get(f"/v1/sessions/one/chats/{WRITTEN}/messages")).json()["messages"]
    assert [one["message_id"] for one in shown] == [one["message_id"] for one in page]
    told = [
        (one["direction"], one["text"], bool(one["edited_at"]), bool(one["deleted_at"]), len(one["reactions"]))
        for one in reversed(page)
    ]
    assert told == [
        ("in", f"{MARK} Is it paid?", True, False, 1),
        ("in", None, False, True, 0),
        ("out", f"{MARK} It is paid.", True, False, 1),
        ("out", None, False, True, 0),
        ("in", None, False, False, 0),
    ]
    assert page[0]["media"]["filename"] == f"{MARK}.txt"
    lines = await rookery(client, "chats", "one", WRITTEN)
    for words in ("Is it paid? (edited)  👀", "It is paid. (edited)  👍", "(deleted)", "Bob", "→", "←"):
        assert words in lines, lines
    listed = (await client.get("/v1/sessions/one/chats")).json()["chats"]
    assert {(one["chat"], one["name"]) for one in listed} >= {(chat, "Bob")}


async def check_erased(client: httpx.AsyncClient, ids: list[str], file: str) -> None:
    async def text(path: str) -> str:
        return (await client.get(path)).text

    assert MARK not in await text("/v1/events?after=0&limit=500&type=*,message.*")
    assert MARK not in await text("/v1/events/stream?after=0&limit=500&timeout=1"), "nor out of memory"
    assert KEPT in await text("/v1/events/stream?after=0&limit=500&timeout=1")
    assert json.loads(await text(f"/v1/sessions/one/chats/{WRITTEN}/messages"))["messages"] == []
    assert json.loads(await text("/v1/sessions/one/messages"))["messages"] == []
    assert [one["name"] for one in json.loads(await text("/v1/sessions/one/chats"))["chats"]] == ["Carol"]
    for path in [f"/v1/messages/{id}" for id in ids] + [f"/v1/media/{file}"]:
        assert (await client.get(path)).status_code == 404
    [webhook] = json.loads(await text("/v1/webhooks"))["webhooks"]
    for what in ("dead-letters", "attempts"):
        assert MARK not in await text(f"/v1/webhooks/{webhook['id']}/{what}")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "sqlite":
        return {}
    backend: PostgresBackend = request.getfixturevalue("postgres")
    return {
        "store": f"{backend.url}?schema={backend.schema}",
        "secret_key": "a passphrase for the tests",
        "database_url": backend.url,
        "schema": f"devices_{secrets.token_hex(4)}",
    }


def remains(directory: Path, database: dict[str, Any], schema: str | None) -> list[str]:
    """Where the mark is in files and tables. SQLite's database was rewritten before."""
    found = [str(path) for path in directory.rglob("*") if path.is_file() and MARK.encode() in path.read_bytes()]
    for name in (schema, database["schema"]) if schema is not None else ():
        tables = run_sql(
            database["database_url"],
            f"SELECT string_agg(quote_ident(tablename), ' ') FROM pg_tables WHERE schemaname = '{name}'",
        )
        for table in str(tables).split():
            sql = f"SELECT count(*) FROM {name}.{table} AS t WHERE strpos(to_jsonb(t)::text, '{MARK}') > 0"
            hidden = f"SELECT count(*) FROM {name}.{table} AS t WHERE strpos(t::text, '{MARK.encode().hex()}') > 0"
            found += [table for query in (sql, hidden) if run_sql(database["database_url"], query)]
    return found


@pytest.mark.slow
async def test_it_is_shown_whole_and_erased_whole(
    whatsapp: WhatsAppSimulator, tmp_path: Path, database: dict[str, Any]
) -> None:
    schema = database["store"].partition("?schema=")[2] if database else None
    async with open_webhook_receiver() as receiver:
        receiver.status = lambda delivery: 500
        receiver.answer = lambda delivery: delivery.body
        async with (
            open_whatsapp_engine(whatsapp, tmp_path, settings=SETTINGS, **database) as engine,
            served(engine) as client,
        ):
            made = await client.post("/v1/webhooks", json={"url": receiver.url, "events": ["*", "message.*"]})
            assert made.status_code == 201, made.text
            await link(engine, whatsapp)
            with trio.fail_after(3 * PATIENCE):
                ids = await talk(engine, client, whatsapp)
                await check_shown(client, whatsapp)
                await receiver.wait_until(lambda: any(KEPT.encode() in one.body for one in receiver.deliveries))
                news = await event_where(engine, lambda event: event.type == "media.stored")
                path = f"/v1/webhooks/{made.json()['id']}/dead-letters"
                while MARK not in (await client.get(path)).text:
                    await trio.sleep(0.05)
                assert MARK in (await client.get("/v1/events/stream?after=0&limit=500&timeout=1")).text
                assert len(await trio.to_thread.run_sync(remains, tmp_path, database, schema)) > (2 if database else 0)
                done = await rookery(client, "chats", "one", WRITTEN, "--erase", "--yes")
                assert "5 sends and 1 files removed" in done
                await check_erased(client, ids, news.body["file"]["id"])
    if not database:
        with sqlite3.connect(tmp_path / "rookery.db") as connection:
            connection.execute("VACUUM")
        connection.close()
    found = await trio.to_thread.run_sync(remains, tmp_path, database, schema)
    assert found == []
    if not database:
        assert KEPT.encode() in (tmp_path / "rookery.db").read_bytes(), "the search finds what is there"
