"""Opening a PostgreSQL store: migrations, keys, URLs, what it needs of its host."""

from __future__ import annotations

import asyncio
import secrets
import sys
import warnings
from urllib.parse import urlsplit, urlunsplit

import pytest
import trio

from rookery.errors import InvalidInput, SecretKeyError, StoreError
from rookery.store.open import store_from_url
from store.backends import KEY, PostgresBackend, run_sql
from store.building import (
    TOKEN,
    all_events,
    create_and_claim,
    event,
    new_session,
)


async def test_many_instances_may_start_at_once_on_an_empty_database(postgres: PostgresBackend) -> None:
    async def start(number: int) -> None:
        store = postgres.make()
        async with store.open():
            await store.create_session(new_session(f"s{number}"))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(start, number)
    async with postgres.make().open() as store:
        assert await store.count_sessions() == {("telegram", "INITIALIZING", True): 5}  # type: ignore[attr-defined]


async def test_an_older_version_runs_on_a_newer_schema_unless_that_says_no(postgres: PostgresBackend) -> None:
    async with postgres.make().open():
        pass
    insert = f"INSERT INTO {postgres.schema}.schema_migrations (version, name, oldest) VALUES "
    await trio.to_thread.run_sync(run_sql, postgres.url, insert + "(900, 'adds', 1)")
    async with postgres.make().open():
        pass
    await trio.to_thread.run_sync(run_sql, postgres.url, insert + "(901, 'breaks', 900)")
    with pytest.raises(StoreError, match="newer Rookery"):
        async with postgres.make().open():
            pass


async def test_keys_are_rotated_while_an_instance_still_writes_with_the_old_one(postgres: PostgresBackend) -> None:
    old = postgres.make(f"{KEY},new key")
    async with old.open():
        await old.create_session(new_session("before"))
        async with postgres.make(f"new key,{KEY}").open() as new:
            await old.create_session(new_session("after"))
            assert (await old.get_session("before")).credentials == {"token": TOKEN}
            assert (await new.get_session("after")).credentials == {"token": TOKEN}  # type: ignore[attr-defined]
    async with postgres.make(f"new key,{KEY}").open():
        pass
    async with postgres.make("new key").open() as new:
        for id in ("before", "after"):
            assert (await new.get_session(id)).credentials == {"token": TOKEN}  # type: ignore[attr-defined]


async def test_it_does_not_need_anything_of_the_host(postgres: PostgresBackend) -> None:
    """Works from a task that is older than the store, and with an asyncio policy that is of no use."""

    class Useless(asyncio.DefaultEventLoopPolicy):
        def get_event_loop(self) -> asyncio.AbstractEventLoop:
            raise AssertionError("the host's policy was asked")

        new_event_loop = get_event_loop

    store = postgres.make()
    ready, done = trio.Event(), trio.Event()

    async def older() -> None:
        await ready.wait()
        await store.create_session(new_session())
        done.set()

    before = asyncio.get_event_loop_policy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(Useless())
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(older)
                async with store.open():
                    ready.set()
                    await done.wait()
        finally:
            asyncio.set_event_loop_policy(before)


async def test_prepared_statements_can_be_turned_off(postgres: PostgresBackend) -> None:
    separator = "&" if "?" in postgres.url else "?"
    store = postgres.make(url=f"{postgres.url}{separator}statement_cache_size=0&pool_size=2")
    async with store.open():
        lease = await create_and_claim(store)
        for number in range(5):
            await store.append(lease, [event(number)], str(number))
        assert len(await all_events(store)) == 5


async def test_a_secret_key_is_not_made_up() -> None:
    with pytest.raises(SecretKeyError, match="`secret_key`"):
        store_from_url("postgresql://localhost/x")


def test_passwords_are_not_shown() -> None:
    for url in (
        "postgresql://me:hunter2@db.example:5433/rookery?sslmode=require&password=hunter2",
        "postgres://me:hunter2@[::1]/rookery",
    ):
        store = store_from_url(url, secret_key="hunter2")
        assert "hunter2" not in store.location + repr(store) + str(store)
        assert store.location.endswith("/rookery")
    with pytest.raises(InvalidInput) as caught:
        store_from_url("postgresql://me:hunter2@db/rookery?schema=Bad-Name", secret_key="k")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InvalidInput, match="pool_size"):
        store_from_url("postgresql://db/rookery?pool_size=many", secret_key="k")


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("rookery.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(InvalidInput, match="extra `postgres`"):
        store_from_url("postgresql://localhost/x", secret_key="k")


async def test_a_database_that_cannot_hold_every_text_is_refused(postgres_url: str) -> None:
    name = f"latin_{secrets.token_hex(4)}"
    create = f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    await trio.to_thread.run_sync(run_sql, postgres_url, create)
    try:
        place = PostgresBackend(urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}")), "rookery")
        with pytest.raises(StoreError, match=r"encoded in LATIN1.*ENCODING 'UTF8'"):
            async with place.make().open():
                pass
    finally:
        await trio.to_thread.run_sync(run_sql, postgres_url, f"DROP DATABASE {name}")
