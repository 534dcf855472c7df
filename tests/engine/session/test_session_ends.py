"""The limit on sessions, logout, delete and terminate_inactive."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from rookery import Engine, EngineSettings, Reason, SessionChange, SessionQuery, open_engine
from rookery.errors import LimitReached, NotFound, StoreUnavailable, TerminalError
from rookery.model.session import Action
from support.fake_platform import (
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

UP = ["start", "enable", "restart"]


class TestLimit:
    SETTINGS = EngineSettings(backoff_jitter=0.0, max_concurrent_sessions=2)

    async def test_a_session_beyond_the_limit_is_refused_and_disturbs_no_other(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform, settings=self.SETTINGS) as engine:
            await add(engine, "a", "b")
            await connected(engine, "a", "b")
            with pytest.raises(LimitReached, match="`max_concurrent_sessions` is 2") as caught:
                await add(engine, "c")
            assert caught.value.limit == "max_concurrent_sessions"
            await add(engine, "c", enabled=False)
            for verb in UP:
                with pytest.raises(LimitReached):
                    await getattr(engine, verb)("c")
            for verb in UP:
                await getattr(engine, verb)("a")
            await connected(engine, "a", "b")
            assert len(platform.attempt_times("b")) == 1

    @pytest.mark.parametrize("verb", ["create", "start"])
    async def test_concurrent_admissions_are_counted_one_after_another(self, verb: str, tmp_path: Path) -> None:
        ids = [f"s{n}" for n in range(10)]
        refused: list[str] = []

        async def come(engine: Engine, id: str) -> None:
            try:
                if verb == "start":
                    await engine.start(id)
                else:
                    await add(engine, id)
            except LimitReached:
                refused.append(id)

        async with open_engine(
            store=f"sqlite:///{tmp_path}/x.db", providers=[FakePlatform()], settings=self.SETTINGS
        ) as engine:
            if verb == "start":
                await add(engine, *ids, enabled=False)
            async with trio.open_nursery() as nursery:
                for id in ids:
                    nursery.start_soon(come, engine, id)
            assert len(await engine.list_sessions(SessionQuery(enabled=True))) == 2
            assert len(refused) == 8

    async def test_a_place_becomes_free(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform, settings=self.SETTINGS) as engine:
            await add(engine, "a", "b")
            await add(engine, "c", enabled=False)
            await connected(engine, "a", "b")
            await engine.stop("a")
            await engine.start("c")
            await connected(engine, "c", seconds=5)

    async def test_creating_again_what_exists_is_no_matter_of_limits(self, autojump_clock: MockClock) -> None:
        async with open_fake_engine(FakePlatform(), settings=self.SETTINGS) as engine:
            await add(engine, "a", "b")
            await add(engine, "a", exist_ok=True)
            assert [session.id for session in await engine.list_sessions()] == ["a", "b"]
            with pytest.raises(LimitReached):
                await add(engine, "c", exist_ok=True)

    async def test_more_are_stored_than_may_run(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store:
            async with open_fake_engine(platform, store) as engine:
                await add(engine, "a", "b", "c", "d")
                await connected(engine, "a", "b", "c", "d")
            platform.links.clear()
            async with open_fake_engine(platform, store, settings=self.SETTINGS) as engine:
                await trio.sleep(100)
                assert {link.session.id for link in platform.links} == {"a", "b"}
                await engine.stop("a")
                await connected(engine, "c", seconds=5)
                await engine.delete_session("b")
                await connected(engine, "d", seconds=5)

    async def test_a_terminal_one_frees_its_place(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store:
            async with open_fake_engine(platform, store) as engine:
                await add(engine, "a", "b", "c")
                await connected(engine, "a", "b", "c")
            platform.links.clear()
            async with open_fake_engine(platform, store, settings=self.SETTINGS) as engine:
                await connected(engine, "a", "b")
                platform.link("a").fail(TerminalError("no", reason=Reason.BANNED, action=Action.NONE))
                await connected(engine, "c", seconds=5)


class LogoutLink(FakeLink):
    """Knows how to log out; `on_logout` says what happens then."""

    on_logout: Callable[[], Awaitable[None]] | None = None
    logouts = 0

    async def logout(self) -> None:
        self.logouts += 1
        if self.on_logout is not None:
            await self.on_logout()


async def refuse() -> None:
    raise RuntimeError("the platform says no")


class TestLogout:
    @pytest.mark.parametrize("verb", ["logout", "delete_session"])
    @pytest.mark.parametrize("trouble", [None, refuse, hang], ids=["works", "refused", "hangs"])
    async def test_it_is_tried_once_and_bounded(
        self, verb: str, trouble: Callable[[], Awaitable[None]] | None, autojump_clock: MockClock
    ) -> None:
        platform = FakePlatform()
        platform.make_link = LogoutLink
        async with open_fake_engine(platform) as engine:
            await add(engine, "a", "b")
            await connected(engine, "a", "b")
            link = platform.link("a")
            assert isinstance(link, LogoutLink)
            link.on_logout = trouble
            with trio.fail_after(30):
                report = await getattr(engine, verb)("a")
            assert link.logouts == 1
            assert link.closed
            if verb == "delete_session":
                assert report.deleted
                assert report.logged_out is (trouble is None)
            else:
                session = await engine.get_session("a")
                assert not session.enabled
                assert await status_of(engine) == ("DISCONNECTED", "LOGOUT")
                assert session.health.action is (Action.SCAN_QR if trouble is None else Action.RETRY)
            assert await status_of(engine, "b") == ("CONNECTED", "CONNECTED")
            assert len(platform.attempt_times("b")) == 1

    async def test_two_at_once_log_out_once(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.make_link = LogoutLink
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            link = platform.link()
            assert isinstance(link, LogoutLink)
            link.on_logout = partial(trio.sleep, 1)

            async def log_out() -> None:
                with contextlib.suppress(NotFound):  # the deletion may be done first
                    await engine.logout("a")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(log_out)
                nursery.start_soon(engine.delete_session, "a")
            assert link.logouts == 1

    async def test_cleanup_can_be_switched_off(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(
            platform, settings=EngineSettings(backoff_jitter=0.0, auto_cleanup_on_logout=False)
        ) as engine:
            await add(engine)
            await connected(engine)
            await engine.logout("a")
            await trio.sleep(100)
            session = await engine.get_session("a")
            assert (session.enabled, session.health.reason) == (True, Reason.LOGOUT)
            assert len(platform.attempts) == 1
            await engine.start("a")
            await connected(engine)

    async def test_the_caller_may_leave(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        platform.make_link = LogoutLink
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            link = platform.link()
            assert isinstance(link, LogoutLink)
            link.on_logout = partial(trio.sleep, 2)
            with trio.move_on_after(0.5):
                await engine.logout("a")
            await trio.sleep(5)
            assert link.closed
            assert await status_of(engine) == ("DISCONNECTED", "LOGOUT")


class TestDelete:
    async def test_a_link_that_never_closes_does_not_hold_it_up(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()

        async def stubborn(link: FakeLink) -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            platform.on_close = stubborn
            with trio.fail_after(20):
                report = await engine.delete_session("a")
            assert report.deleted
            assert "did not close" in report.detail
            platform.on_close = None
            await add(engine)  # the same name while the old link is still closing
            await connected(engine, seconds=100)
            assert platform.most_open["a"] == 1
            await engine.stop("a")
            await trio.sleep(100)
            assert platform.open_links == 0

    async def test_events_stay(self, autojump_clock: MockClock) -> None:
        from rookery import EventQuery
        from support.fake_platform import event

        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await add(engine)
            await connected(engine)
            await platform.link().inbox.commit([event(1)], "1")
            await engine.delete_session("a")
            await add(engine)
            await connected(engine)
            await platform.link().inbox.commit([event(1)], "1")
            assert [e.key for e in await engine.read_events(EventQuery(types=("message",)))] == ["1", "1"]

    async def test_a_store_that_is_away_is_an_error_and_a_second_try_works(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            store.down_methods = {"delete_session"}
            with pytest.raises(StoreUnavailable):
                await engine.delete_session("a")
            store.down_methods = set()
            assert (await engine.delete_session("a")).deleted


class TestTerminateInactive:
    @staticmethod
    async def bring_down(engine: Engine, platform: FakePlatform) -> None:
        await add(engine, "alive", "retrying", "banned", "revoked")
        await add(engine, "stopped", enabled=False)
        await connected(engine, "alive", "retrying", "banned", "revoked")
        platform.link("retrying").fail(network())
        platform.link("banned").fail(TerminalError("no", reason=Reason.BANNED, action=Action.NONE))
        platform.link("revoked").fail(TerminalError("no", reason=Reason.INVALID_TOKEN, action=Action.REPLACE_TOKEN))
        await trio.sleep(1)

    async def test_only_those_that_will_not_come_back(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await self.bring_down(engine, platform)
            assert await engine.terminate_inactive() == ["banned", "revoked"]
            assert await engine.terminate_inactive() == []
            enabled = [session.id for session in await engine.list_sessions(SessionQuery(enabled=True))]
            assert enabled == ["alive", "retrying"]
            await engine.start("banned")
            await connected(engine, "alive", "retrying", "banned", seconds=60)

    async def test_one_that_was_just_started_and_one_that_goes_meanwhile(
        self, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform) as engine:
            await self.bring_down(engine, platform)
            # As stored by an instance, before any engine has started the session.
            await engine.store.update_session("banned", SessionChange(command=True), now=0.0)
            listed = engine.store.list_sessions

            async def list_and_delete(query: SessionQuery) -> object:
                page = await listed(query)
                if page:
                    await engine.store.delete_session("revoked")
                return page

            monkeypatch.setattr(engine.store, "list_sessions", list_and_delete)
            assert await engine.terminate_inactive() == []
            monkeypatch.undo()
            assert (await engine.get_session("banned")).enabled
