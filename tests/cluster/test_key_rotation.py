"""The secret key is changed while instances run; the change may begin on any of them."""

from __future__ import annotations

import trio

from rookery import SessionStatus
from rookery.store.secrets import SecretBox
from store.backends import PostgresBackend, run_sql
from support.engines.shared_engines import open_shared, running
from support.fake_platform import FakePlatform
from support.waiting import until, until_found

OLD, NEW = "the old key", "the new key"


async def stored_with(postgres: PostgresBackend, key: str, id: str = "a") -> bool:
    """True when this key, as the newest, encrypted the stored credentials of this session."""
    sql = f"SELECT credentials FROM {postgres.schema}.sessions WHERE id = '{id}'"
    token = str(await trio.to_thread.run_sync(run_sql, postgres.url, sql))
    return SecretBox([key]).is_current(token)


async def test_it_may_begin_on_any_instance(postgres: PostgresBackend) -> None:
    platforms = [FakePlatform() for _ in range(3)]
    async with open_shared(postgres, platforms[0], "one", key=OLD) as one:
        await one.create_session(id="a", platform="fake", credentials={"token": "t"})
        await until(lambda: running(one) == {"a"})
        async with open_shared(postgres, platforms[1], "two", key=f"{NEW},{OLD}") as two:
            # The new key is not used while an instance lives that lacks it; both read what either writes.
            await two.create_session(id="b", platform="fake", credentials={"token": "t"})
            await until(lambda: running(one) | running(two) == {"a", "b"})
            await until_found(  # sessions may move between the two meanwhile
                one.list_sessions,
                lambda rows: {row.health.status for row in rows} == {SessionStatus.CONNECTED},
            )
            assert (await one.get_session("b")).credentials == {"token": "t"}
            assert (await one.get_session("b")).unreadable is None
            assert [row.unreadable for row in await two.list_sessions()] == [None, None]
            assert await stored_with(postgres, OLD)
    async with open_shared(postgres, platforms[1], "two", key=f"{NEW},{OLD}"):
        # At once, or when the row of an instance that had no time to leave has expired.
        await until_found(lambda: stored_with(postgres, NEW))
    async with open_shared(postgres, platforms[2], "three", key=NEW) as three:
        await until(lambda: running(three) == {"a", "b"})
        assert (await three.get_session("a")).credentials == {"token": "t"}


async def test_it_happens_when_the_last_instance_has_the_new_key(postgres: PostgresBackend) -> None:
    runs, leave = trio.Event(), trio.Event()

    async def old_instance() -> None:
        async with open_shared(postgres, FakePlatform(), "one", key=OLD) as engine:
            await engine.create_session(id="a", platform="fake", credentials={"token": "t"})
            await until(lambda: running(engine) == {"a"})
            runs.set()
            await leave.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(old_instance)
        await runs.wait()
        async with open_shared(postgres, FakePlatform(), "two", key=f"{NEW},{OLD}") as second:
            await second.create_session(id="before", platform="fake", credentials={"token": "t"}, enabled=False)
            assert await stored_with(postgres, OLD, "before"), "the old instance has to read it"
            leave.set()
            await until(lambda: running(second) == {"a"})
            await until_found(lambda: stored_with(postgres, NEW), step=0.1)
            await second.create_session(id="after", platform="fake", credentials={"token": "t"}, enabled=False)
            assert await stored_with(postgres, NEW, "after")
