"""Two readers of one bot, update ids that begin anew, and bots that change."""

from __future__ import annotations

import pytest
import trio

from rookery import Action, Reason, SessionChange, SessionStatus
from rookery_simulator.bot_api import Fault
from support.bot_api.receiving import call, kept_store
from support.telegram_engine import QUICK, TOKEN, open_quick_simulator, open_setup
from support.waiting import until_found

OTHER_TOKEN = "777777:BBbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


class TestConflicts:
    async def test_another_poller_is_reported_and_not_fought(self) -> None:
        settings = QUICK.__class__(backoff_conflict=1.0, backoff_jitter=0.0)
        async with open_quick_simulator() as simulator, open_setup(simulator, settings=settings) as setup:
            setup.bot.push_text("1")
            await setup.texts(1)
            await setup.polling()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: call(setup, "getUpdates", timeout=5))
                session = await setup.status(SessionStatus.RECONNECTING)
                assert (session.health.reason, session.health.action) == (Reason.CONFLICT, Action.STOP_OTHER_CLIENT)
                assert session.health.next_retry_at is not None
                assert session.health.next_retry_at - session.health.since == pytest.approx(1, abs=0.2)
                calls, began = simulator.requests, trio.current_time()
                await setup.until(lambda: simulator.requests > calls)
                assert trio.current_time() - began > 0.5, "nothing is confirmed, and the bot is left alone for a second"
                nursery.cancel_scope.cancel()
            await setup.connected()

    async def test_the_default_wait_is_a_minute(self) -> None:
        settings = QUICK.__class__(backoff_jitter=0.0)
        async with open_quick_simulator() as simulator, open_setup(simulator, settings=settings) as setup:
            simulator.faults.add(Fault(kind="status", status=409))
            setup.bot.push_text("1")
            session = await setup.status(SessionStatus.RECONNECTING)
            assert session.health.next_retry_at is not None
            assert session.health.next_retry_at - session.health.since == pytest.approx(60, abs=1)

    async def test_with_take_over_it_comes_back_soon(self) -> None:
        settings = QUICK.__class__(backoff_jitter=0.0)
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False, settings=settings) as setup:
            await setup.add(settings={"takeover": True})
            await setup.connected()
            simulator.faults.add(Fault(kind="status", status=409, method="getUpdates"))
            setup.bot.push_text("1")
            session = await setup.status(SessionStatus.RECONNECTING)
            assert session.health.next_retry_at is not None
            assert session.health.next_retry_at - session.health.since == pytest.approx(4, abs=0.5)

    async def test_in_conflict_nothing_is_confirmed_at_the_end(self) -> None:
        async with open_quick_simulator() as simulator:
            async with open_setup(simulator) as setup:
                setup.bot.push_text("1")
                await setup.texts(1)
                await setup.polling()
                simulator.faults.add(Fault(kind="status", status=409, method="getUpdates"))
                setup.bot.push_text("2")
                await setup.status(SessionStatus.RECONNECTING)
                await setup.engine.stop("shop")
                await setup.status(SessionStatus.DISCONNECTED)
                polls = setup.bot.polls.count
            assert simulator.bot(TOKEN).polls.count == polls

    async def test_a_webhook_that_somebody_sets_is_deleted_once(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            await call(setup, "setWebhook", url="https://example.org/hook")
            await setup.until(lambda: setup.bot.webhook is None)
            await setup.polling()
            setup.bot.push_text("1")
            assert await setup.texts(1) == ["1"]
            assert (await setup.engine.get_session("shop")).health.status is SessionStatus.CONNECTED

    async def test_a_webhook_that_comes_back_is_a_conflict(self) -> None:
        description = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete it"
        settings = QUICK.__class__(backoff_jitter=0.0)
        async with open_quick_simulator() as simulator, open_setup(simulator, settings=settings) as setup:
            deletions = setup.bot.calls["deletewebhook"]
            simulator.faults.add(Fault(kind="status", status=409, description=description, method="getUpdates"))
            setup.bot.push_text("1")
            session = await setup.status(SessionStatus.RECONNECTING)
            assert session.health.reason is Reason.CONFLICT
            assert "webhook" in (session.health.last_error or "")
            assert setup.bot.calls["deletewebhook"] == deletions + 1

    async def test_two_sessions_with_one_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rookery_telegram.provider.PREDECESSOR_SECONDS", 0.2)
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            await setup.add("twin")
            twin = await until_found(
                lambda: setup.engine.get_session("twin"),
                lambda twin: twin.health.reason is Reason.CONFIGURATION,
                seconds=30,
            )
            assert twin.health.action is Action.FIX_CONFIGURATION
            assert "'shop'" in twin.health.detail
            assert setup.bot.polls.max_simultaneous == 1
            assert (await setup.engine.get_session("shop")).health.status is SessionStatus.CONNECTED
            await setup.engine.stop("shop")
            await setup.engine.start("twin")
            await setup.connected("twin")

    async def test_a_bot_moves_to_another_session_without_an_error(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            await setup.add("next", enabled=False)
            await setup.engine.stop("shop")
            await setup.engine.start("next")
            await setup.connected("next")
            reasons = {row.reason for row in await setup.engine.history("next")}
            assert Reason.CONFIGURATION not in reasons
            await setup.engine.delete_session("shop")
            assert setup.bot.errors[409] == 0


class TestIds:
    async def test_ids_that_begin_anew_lower(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.push_text("1")
            await setup.texts(1)
            await setup.polling()
            setup.bot.restart_ids()
            for text in "234":
                setup.bot.push_text(text)
            assert await setup.texts(4) == list("1234")
            await setup.polling()
            assert setup.bot.polls.last_offset == setup.bot.queue.next_id

    async def test_after_a_week_of_silence_equal_ids_are_new_updates(self) -> None:
        """The cursor is a week old and the new ids happen to have been used before."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store) as setup:
                first = setup.bot.push_text("old")
                assert first is not None
                setup.bot.push_many(20, first=100)
                await setup.texts(21)
            row = await store.inner.get_session("shop")
            import json

            from rookery.model.session import Lease

            cursor = json.loads(row.cursor or "{}")
            cursor["at"] -= 8 * 86_400
            [claimed] = await store.inner.claim("test", limit=1, now=0, ttl=60)
            lease = Lease("shop", claimed.uid, "test", claimed.fence)
            await store.inner.append(lease, [], json.dumps(cursor))
            await store.inner.release(lease)
            bot = simulator.bot(TOKEN)
            bot.queue.restart_ids(first.id, simulator.clock())
            bot.push_text("new")
            async with open_setup(simulator, store=store, add=False) as setup:
                texts = await setup.texts(22)
                assert (texts[0], texts[-1]) == ("old", "new")
                events = await setup.events(22)
                assert events[0].key == events[-1].key

    async def test_a_token_of_another_bot_begins_at_that_bots_head(self) -> None:
        """Its ids lie where those of the bot before lay: none is confirmed unseen, none passes for a repetition."""
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            first = setup.bot.push_text("1")
            assert first is not None
            setup.bot.push_text("2")
            await setup.texts(2)
            other = simulator.bot(OTHER_TOKEN)
            other.queue.restart_ids(first.id, simulator.clock())
            for text in "345":
                other.push_text(text)
            await setup.engine.update_session("shop", SessionChange(credentials={"token": OTHER_TOKEN}))
            assert await setup.texts(5) == list("12345")

    async def test_replayed_updates_are_recognised(self) -> None:
        """The confirmation of the last batch was lost with the server's memory: it hands the same out again."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store) as setup:
                first = setup.bot.push_text("1")
                assert first is not None
                setup.bot.push_text("2")
                await setup.texts(2)
                await setup.polling()
            bot = simulator.bot(TOKEN)
            bot.queue.restart_ids(first.id, simulator.clock())
            for text in "123":
                bot.push_text(text)
            async with open_setup(simulator, store=store, add=False) as setup:
                assert await setup.texts(3) == list("123")
                await setup.polling()
                assert await setup.stored() == 3
