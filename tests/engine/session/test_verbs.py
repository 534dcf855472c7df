"""Every verb on a session in every state, names, and changes made elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, EngineSettings, Reason, SessionChange, SessionQuery, SessionStatus
from rookery.errors import AlreadyExists, InvalidInput, NotFound, TerminalError
from rookery.model.session import Action
from support.fake_platform import (
    CALM,
    FakeLink,
    FakePlatform,
    add,
    connected,
    hang,
    network,
    open_fake_engine,
    open_troubled_store,
    status_of,
)
from support.waiting import until

State = Callable[[Engine, FakePlatform], Awaitable[None]]


async def disabled(engine: Engine, platform: FakePlatform) -> None:
    await add(engine, enabled=False)


async def stopped(engine: Engine, platform: FakePlatform) -> None:
    await add(engine)
    await connected(engine)
    await engine.stop("a")
    await until(lambda: platform.link().closed)


async def connecting(engine: Engine, platform: FakePlatform) -> None:
    platform.plan("a", hang)
    await add(engine)
    await until(lambda: bool(platform.attempts))


async def pairing(engine: Engine, platform: FakePlatform) -> None:
    async def pair(session: object, inbox: object) -> None:
        inbox.report(SessionStatus.QR_REQUIRED, Reason.PAIRING, "scan", action=Action.SCAN_QR, allow=300)  # type: ignore[attr-defined]
        await trio.sleep_forever()

    platform.plan("a", pair)
    await add(engine)
    await engine.wait_status("a", SessionStatus.QR_REQUIRED)


async def is_connected(engine: Engine, platform: FakePlatform) -> None:
    await add(engine)
    await connected(engine)


async def waiting(engine: Engine, platform: FakePlatform) -> None:
    platform.plan("a", network())
    await add(engine)
    await engine.wait_status("a", SessionStatus.RECONNECTING)


async def terminal(engine: Engine, platform: FakePlatform) -> None:
    platform.plan("a", TerminalError("no", reason=Reason.INVALID_TOKEN, action=Action.REPLACE_TOKEN))
    await add(engine)
    await engine.wait_status("a", SessionStatus.AUTH_FAILURE)
    await trio.sleep(1)


async def closing(engine: Engine, platform: FakePlatform) -> None:
    async def slowly(link: FakeLink) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2)

    await add(engine)
    await connected(engine)
    platform.on_close = slowly
    await engine.stop("a")
    await trio.sleep(0.5)
    assert not platform.link().closed


STATES: list[State] = [disabled, stopped, connecting, pairing, is_connected, waiting, terminal, closing]
UP = ["start", "enable", "restart"]
DOWN = ["stop", "disable", "logout"]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("verb", [*UP, *DOWN, "retry", "delete_session"])
async def test_every_verb_in_every_state_twice(verb: str, state: State, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await state(engine, platform)
        was_enabled = (await engine.get_session("a")).enabled
        await getattr(engine, verb)("a")
        if verb == "delete_session":
            with pytest.raises(NotFound):
                await engine.delete_session("a")
            assert await engine.list_sessions() == []
            await add(engine)  # the name is free again
            await connected(engine)
            assert platform.most_open["a"] == 1
            return
        await getattr(engine, verb)("a")
        if verb in UP:
            await connected(engine, seconds=400)
            assert (await engine.get_session("a")).enabled
        elif verb in DOWN:
            await trio.sleep(20)
            assert not (await engine.get_session("a")).enabled
            assert platform.open_links == 0
            assert (await store.get_session("a")).owner is None
            before = len(platform.attempts)
            await trio.sleep(1000)
            assert len(platform.attempts) == before
            assert (await engine.get_session("a")).health.status in (
                SessionStatus.DISCONNECTED,
                SessionStatus.AUTH_FAILURE,
            )
        else:
            await trio.sleep(1)
            assert (await engine.get_session("a")).enabled == was_enabled
            if was_enabled and state not in (connecting, pairing):
                await connected(engine)
        assert platform.most_open["a"] <= 1
        await engine.start("a")  # and it can always be brought back
        await connected(engine, seconds=400)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
async def test_many_verbs_at_once_end_with_the_last(state: State, autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await state(engine, platform)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                for verb in (*UP, *DOWN, "retry"):
                    nursery.start_soon(getattr(engine, verb), "a")
        await engine.stop("a")
        await trio.sleep(30)
        assert platform.open_links == 0
        await engine.start("a")
        await connected(engine, seconds=400)
        assert platform.most_open["a"] == 1


@pytest.mark.parametrize("verb", [*UP, *DOWN, "retry", "delete_session", "history", "get_session"])
async def test_unknown_sessions_are_named(verb: str, autojump_clock: MockClock) -> None:
    async with open_fake_engine(FakePlatform()) as engine:
        with pytest.raises(NotFound, match="there is no session 'ghost'"):
            await getattr(engine, verb)("ghost")


async def test_a_stop_while_it_starts_and_a_start_while_it_stops(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_fake_engine(platform) as engine:
        await closing(engine, platform)
        await engine.start("a")
        await trio.sleep(0.1)
        assert platform.open_links == 1
        await connected(engine)
        assert platform.most_open["a"] == 1
        assert await status_of(engine) == ("CONNECTED", "CONNECTED")


async def test_a_name_that_is_taken(autojump_clock: MockClock) -> None:
    async with open_fake_engine(FakePlatform()) as engine:
        await add(engine, metadata={"first": True})
        with pytest.raises(AlreadyExists):
            await add(engine)
        await add(engine, exist_ok=True, metadata={"first": False})
        assert (await engine.get_session("a")).metadata == {"first": True}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"platform": "pigeons"}, "platform"),
        ({"id": "a b"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "a" * 129}, "id"),
        ({"id": "a\n"}, "id"),
        ({"name": "x" * 257}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"credentials": {"token": 7}}, "credentials"),
        ({"credentials": {"token": "malformed"}}, "credentials.token"),
        ({"settings": [1]}, "settings"),
        ({"settings": {"x": Ellipsis}}, "settings"),
        ({"metadata": {"x": "y" * 70_000}}, "metadata"),
        ({"metadata": {"x": "\0"}}, "metadata"),
        ({"metadata": {"x": "\ud800"}}, "metadata"),
    ],
    ids=str,
)
async def test_bad_input_names_its_field(fields: dict[str, object], field: str, autojump_clock: MockClock) -> None:
    async with open_fake_engine(FakePlatform()) as engine:
        with pytest.raises(InvalidInput) as caught:
            await engine.create_session(**{"platform": "fake", **fields})  # type: ignore[arg-type]
        assert caught.value.field == field
        assert await engine.list_sessions() == []


async def test_a_session_whose_row_is_deleted_elsewhere_ends(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await store.inner.delete_session("a")
        await until(lambda: platform.link().closed, seconds=100)
        assert await engine.list_sessions() == []


async def test_changes_by_another_process_are_found_by_the_recovery_check(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine)
        await connected(engine)
        await store.inner.update_session("a", SessionChange(enabled=False), now=1.0)
        await until(lambda: platform.link().closed, seconds=100)
        await store.inner.update_session("a", SessionChange(enabled=True), now=1.0)
        await connected(engine, seconds=100)


async def test_lists_show_the_newest_status(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
        await add(engine, "a", "b")
        await connected(engine, "a", "b")
        store.down_methods = {"record_statuses"}
        platform.link("a").fail(network())
        await trio.sleep(0.1)
        found = {session.id: session.health.status for session in await engine.list_sessions(SessionQuery())}
        assert found == {"a": SessionStatus.RECONNECTING, "b": SessionStatus.CONNECTED}


async def test_nudges_while_the_store_is_away_are_remembered(autojump_clock: MockClock) -> None:
    platform = FakePlatform()
    async with open_troubled_store() as store, open_fake_engine(platform, store, settings=CALM) as engine:
        await add(engine)
        await connected(engine)
        store.down_methods = {"list_sessions"}
        await engine.stop("a")
        await trio.sleep(10)
        assert not platform.link().closed
        store.down_methods = set()
        await until(lambda: platform.link().closed, seconds=5)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("start_concurrency", 0),
        ("start_concurrency", -1),
        ("health_interval", -1.0),
        ("event_retention", -1.0),
        ("backoff_max", float("nan")),
    ],
)
async def test_settings_that_cannot_be_meant_are_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=field) as caught:
        async with open_fake_engine(FakePlatform(), settings=EngineSettings(**{field: value})):  # type: ignore[arg-type]
            pass
    assert caught.value.field == field
