"""One row that cannot be read is a matter of its session, webhook, message, file or key; everything else goes on (K3)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from rookery import Engine, MessageState, Reason, SessionQuery, SessionStatus, open_engine
from rookery.errors import InvalidInput
from rookery.model.media import MediaFile, MediaOrigin, MediaQuery, MediaState
from rookery.model.session import SessionChange
from rookery.store.contract import Store
from rookery.store.rows.sessions import transition_from_row
from store.backends import Backend, PostgresBackend, SqliteBackend, run_sql
from support.fake_platform import FakePlatform, connected, event, hang
from support.waiting import until
from support.webhook_receiver import open_webhook_receiver


async def damage(backend: Backend, table: str, where: str, **columns: str) -> None:
    """Make a row unreadable."""
    values = ", ".join(f"{column} = '{value}'" for column, value in columns.items())
    if isinstance(backend, PostgresBackend):
        sql = f"UPDATE {backend.schema}.{table} SET {values} WHERE {where};"
        await trio.to_thread.run_sync(run_sql, backend.url, sql)
    else:
        assert isinstance(backend, SqliteBackend)
        with closing(sqlite3.connect(backend.path)) as database:
            database.execute(f"UPDATE {table} SET {values} WHERE {where}")
            database.commit()


def opened(backend: Backend, platform: FakePlatform, key: str = "the key"):  # type: ignore[no-untyped-def]
    return open_engine(providers=[platform], store=backend.make(key))


async def status(engine: Engine, id: str, wanted: SessionStatus) -> None:
    with trio.fail_after(20):
        await engine.wait_status(id, wanted)


@pytest.mark.parametrize("column", ["credentials", "settings"])
@pytest.mark.parametrize("value", ["gAAAAABnotatoken", "broken"])
async def test_a_session_whose_secrets_cannot_be_read(durable: Backend, column: str, value: str) -> None:
    platform = FakePlatform()
    async with opened(durable, platform) as engine:
        await engine.create_session(id="bad", platform="fake", credentials={"token": "t"})
        await engine.create_session(id="good", platform="fake", credentials={"token": "t"})
        await connected(engine, "bad", "good")
    await damage(durable, "sessions", "id = 'bad'", **{column: value})
    async with opened(durable, platform) as engine:
        await connected(engine, "good")
        await status(engine, "bad", SessionStatus.DISCONNECTED)
        shown = {one.id: one for one in await engine.list_sessions(SessionQuery())}
        health = shown["bad"].health
        assert (health.status, health.reason) == (SessionStatus.DISCONNECTED, Reason.CONFIGURATION)
        assert f"stored {column} cannot be decrypted" in health.detail
        assert shown["bad"].enabled
        await engine.update_session("bad", SessionChange(credentials={"token": "new"}, settings={}))
        await connected(engine, "bad")
        assert await engine.delete_session("bad")


async def test_a_status_of_a_newer_version(durable: Backend) -> None:
    platform = FakePlatform()
    async with opened(durable, platform) as engine:
        await engine.create_session(id="a", platform="fake")
        await connected(engine)
    await damage(durable, "sessions", "id = 'a'", status="HIBERNATING", reason="SLEEPY", action="WAKE", metadata="{x")
    async with opened(durable, platform) as engine:
        await connected(engine)
        assert (await engine.get_session("a")).metadata == {}
    change = transition_from_row(("HIBERNATING", "SLEEPY", "sleeps", 1.0))
    assert (change.status, change.detail) == (
        SessionStatus.DISCONNECTED,
        "sleeps (HIBERNATING, SLEEPY: of a newer version)",
    )


@pytest.mark.parametrize("columns", [{"secret": "gAAAAABbroken"}, {"private": "broken"}])
async def test_a_webhook_that_cannot_be_read(durable: Backend, columns: dict[str, str]) -> None:
    platform = FakePlatform()
    async with open_webhook_receiver() as receiver:
        async with opened(durable, platform) as engine:
            await engine.create_session(id="a", platform="fake")
            await engine.create_webhook(url=receiver.url, id="bad", events=["message"])
            await engine.create_webhook(url=receiver.url, id="good", events=["message"])
        await damage(durable, "webhooks", "id = 'bad'", **columns)
        async with opened(durable, platform) as engine:
            await connected(engine)
            await platform.link().inbox.commit([event(1)], "1")
            with trio.fail_after(20):
                await receiver.wait_until(lambda: len(receiver.deliveries) >= 1)
            shown = {one.id: one for one in await engine.list_webhooks()}
            assert "cannot be decrypted" in (shown["bad"].unreadable or "")
            with pytest.raises(InvalidInput, match="Set it again"):
                await engine.update_webhook("bad", url=receiver.url)
            await engine.update_webhook(
                "bad", url=receiver.url, secret="whsec_" + "A" * 32, headers={}, events=None, chats=None
            )
            with trio.fail_after(20):
                await receiver.wait_until(lambda: len(receiver.deliveries) >= 2)


async def test_event_types_that_cannot_be_read(tmp_path: Path) -> None:
    """PostgreSQL refuses such a text; here it may have come in by hand."""
    backend, platform = SqliteBackend(tmp_path / "rookery.db"), FakePlatform()
    async with opened(backend, platform) as engine:
        await engine.create_session(id="a", platform="fake")
        await engine.create_webhook(url="http://127.0.0.1:9/", id="bad", events=["message"])
    await damage(backend, "webhooks", "id = 'bad'", events="[broken")
    async with opened(backend, platform) as engine:
        await connected(engine)
        await platform.link().inbox.commit([event(1)], "1")
        assert "event types" in ((await engine.get_webhook("bad")).unreadable or "")


async def test_event_types_that_are_no_json_are_refused_by_postgresql(postgres: PostgresBackend) -> None:
    platform = FakePlatform()
    async with opened(postgres, platform) as engine:
        await engine.create_webhook(url="http://127.0.0.1:9/", id="bad", events=["message"])
        with pytest.raises(Exception, match="json"):
            await damage(postgres, "webhooks", "id = 'bad'", events="[broken")


async def test_a_message_that_cannot_be_read_fails_alone(durable: Backend) -> None:
    platform = FakePlatform()
    platform.plan("a", hang)
    async with opened(durable, platform) as engine:
        await engine.create_session(id="a", platform="fake")
        bad = await engine.submit("a", to="7", text="x")
        good = await engine.submit("a", to="7", text="good")
        await damage(durable, "messages", f"id = '{bad.id}'", content='{"type": "hologram"}')
        await engine.restart("a")
        await until(lambda: bool(platform.sent), seconds=20)
        assert [message.id for _, message in platform.sent] == [good.id]
        shown = await engine.get_message(bad.id)
        assert (shown.state, "content" in (shown.error or "")) == (MessageState.FAILED, True)


async def test_a_file_of_a_newer_version(store: Store, backend: Backend) -> None:
    file = MediaFile(
        id="f",
        session=None,
        origin=MediaOrigin.UPLOADED,
        state=MediaState.STORED,
        content_type="image/png",
        created_at=1.0,
        expires_at=9e9,
    )
    await store.put_media(file)
    if isinstance(backend, PostgresBackend | SqliteBackend):
        await damage(backend, "media", "id = 'f'", state="teleported", origin="elsewhere")
        [(_, shown)] = await store.list_media(MediaQuery())
        assert shown.state is MediaState.FAILED
        assert "newer version" in (shown.error or "")
