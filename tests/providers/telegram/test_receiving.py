"""Receiving: offsets, handoff, duplicates, and whoever else is at the same bot; over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
import trio

from rookery import Action, Reason, SessionChange, SessionStatus
from rookery.store.open import MemoryStore
from rookery_simulator.bot_api import Fault
from rookery_telegram.receiving.updates import ALL_KINDS
from support.fake_platform import TroubledStore
from support.telegram_engine import DEADLINE, QUICK, TOKEN, Setup, open_quick_simulator, open_setup

OTHER_TOKEN = "777777:BBbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"


@asynccontextmanager
async def kept_store() -> AsyncIterator[TroubledStore]:
    inner = MemoryStore()
    async with inner.open():
        yield TroubledStore(inner)


async def call(setup: Setup, method: str, **parameters: Any) -> dict[str, Any]:
    """Somebody else uses the token."""
    async with httpx.AsyncClient(timeout=DEADLINE, trust_env=False) as client:
        response = await client.post(f"{setup.simulator.url}/bot{TOKEN}/{method}", json=parameters)
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_message_arrives() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_text("hello", chat_id=7, from_id=5)
        [event] = await setup.events(1)
        assert (event.session, event.platform, event.type, event.chat, event.sender) == (
            "shop",
            "telegram",
            "message",
            "7",
            "5",
        )
        assert event.body["text"] == "hello"
        assert event.raw["message"]["text"] == "hello"
        life = setup.engine.proof_of_life("shop")
        assert life is not None
        assert life.last_inbound is not None


async def test_every_kind_is_asked_for_by_name_and_arrives() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        for kind in ALL_KINDS:
            content = {"chat": {"id": 7}} if kind != "poll" else {"id": "p"}
            assert setup.bot.push_update({kind: content}) is not None
        assert setup.bot.push_update({"telepathy": {"from": 5}}) is not None
        events = await setup.events(len(ALL_KINDS) + 1)
        assert [event.type for event in events] == [*ALL_KINDS, "unknown"]
        assert setup.bot.filtered == 0


async def test_kinds_may_be_chosen() -> None:
    async with (
        open_quick_simulator() as simulator,
        open_setup(simulator, add=False) as setup,
    ):
        await setup.add(settings={"allowed_updates": ["message"]})
        await setup.connected()
        await setup.polling()
        assert setup.bot.push_update({"poll": {"id": "p"}}) is None
        setup.bot.push_text("x")
        assert await setup.texts(1) == ["x"]


async def test_many_in_order_and_confirmed_only_when_stored() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        setup.bot.push_many(1234, chats=7)
        assert await setup.texts(1234) == [str(number) for number in range(1, 1235)]
        await setup.polling()
        assert setup.bot.polls.last_offset == setup.bot.queue.next_id
        assert setup.bot.polls.max_simultaneous == 1


async def test_nothing_is_confirmed_while_the_store_is_away() -> None:
    async with (
        kept_store() as store,
        open_quick_simulator() as simulator,
        open_setup(simulator, store=store) as setup,
    ):
        store.down_methods = {"append"}
        before = setup.bot.polls.last_offset
        setup.bot.push_text("precious")
        await setup.until(lambda: not setup.bot.polls.has_waiting)
        await trio.sleep(0.5)
        assert setup.bot.polls.last_offset == before
        assert not setup.bot.polls.has_waiting
        store.down_methods = set()
        assert await setup.texts(1) == ["precious"]
        await setup.polling()
        assert setup.bot.polls.last_offset == setup.bot.queue.next_id


async def test_start_keeps_what_waited_and_deletes_a_webhook() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
        setup.bot.push_text("before")
        await call(setup, "setWebhook", url="https://example.org/hook")
        setup.bot.push_text("for the webhook")
        await setup.add()
        assert await setup.texts(2) == ["before", "for the webhook"]
        assert setup.bot.webhook is None


class TestStop:
    async def test_an_idle_bot_has_nothing_to_confirm(self) -> None:
        async with open_quick_simulator() as simulator:
            async with open_setup(simulator) as setup:
                setup.bot.push_text("1")
                await setup.texts(1)
                await setup.polling()
                polls = setup.bot.polls.count
            bot = simulator.bot(TOKEN)
            assert bot.polls.count == polls
            assert bot.polls.last_offset == bot.queue.next_id

    async def test_what_was_just_stored_is_confirmed(self) -> None:
        """Stopped between the commit and the next poll: one confirmation, which waits for nothing."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store) as setup:
                stored = trio.Event()

                async def linger(name: str) -> None:
                    if name == "append":
                        stored.set()
                        await trio.sleep(0.5)

                store.after = linger
                setup.bot.push_text("last")
                await stored.wait()
                polls = setup.bot.polls.count
            bot = simulator.bot(TOKEN)
            assert bot.polls.count == polls + 1
            last = bot.polls.history[-1]
            assert (last.timeout, last.limit, last.offset) == (0, 1, bot.queue.next_id)
            store.after = None
            async with open_setup(simulator, store=store, add=False) as setup:
                await setup.connected()
                setup.bot.push_text("next")
                assert await setup.texts(2) == ["last", "next"]

    async def test_a_server_that_does_not_answer_the_confirmation_costs_little(self) -> None:
        settings = msgspec.structs.replace(QUICK, shutdown_grace=60.0)
        async with kept_store() as store, open_quick_simulator() as simulator:
            async with open_setup(simulator, store=store, settings=settings) as setup:
                stored = trio.Event()

                async def linger(name: str) -> None:
                    if name == "append":
                        stored.set()
                        await trio.sleep(0.2)

                store.after = linger
                setup.bot.push_text("last")
                await stored.wait()
                simulator.faults.add(Fault(kind="delay", method="getUpdates", seconds=60))
                before = trio.current_time()
            assert trio.current_time() - before < 30, "not the whole grace"
            simulator.faults.clear()
            store.after = None
            async with open_setup(simulator, store=store, add=False) as setup:
                await setup.connected()
                setup.bot.push_text("next")
                assert await setup.texts(2) == ["last", "next"]
                assert await setup.stored() == 2

    async def test_every_connection_is_closed(self) -> None:
        async with open_quick_simulator() as simulator:
            async with open_setup(simulator) as setup:
                for chat in range(1, 11):
                    await setup.engine.submit("shop", to=chat, text="x")
                await setup.until(lambda: len(setup.bot.sent) == 10)
                await setup.polling()
            bot = simulator.bot(TOKEN)
            with trio.fail_after(30):
                while bot.polls.in_flight:
                    await trio.sleep(0.01)

    async def test_twenty_restarts_under_traffic(self) -> None:
        """No 409, nothing lost, nothing twice, never two polls (C3, C4)."""
        async with kept_store() as store, open_quick_simulator() as simulator:
            bot = simulator.bot(TOKEN)
            total = 0

            async def traffic() -> None:
                nonlocal total
                while True:
                    total += 1
                    bot.push_text(str(total), chat_id=total % 5 + 1)
                    await trio.sleep(0.002)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(traffic)
                for number in range(20):
                    async with open_setup(simulator, store=store, add=number == 0) as setup:
                        await setup.connected()
                        await trio.sleep(0.03)
                nursery.cancel_scope.cancel()
            async with open_setup(simulator, store=store, add=False) as setup:
                assert await setup.texts(total) == [str(number) for number in range(1, total + 1)]
            assert not [conflict for conflict in bot.polls.conflicts if conflict.was_heard]
            assert bot.polls.max_simultaneous == 1
            assert bot.errors[409] == 0

    @pytest.mark.parametrize("verb", ["restart", "stop and start", "new settings"])
    async def test_a_session_that_is_restarted_meets_no_conflict(self, verb: str) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            for number in range(5):
                setup.bot.push_text(str(number))
                if verb == "restart":
                    await setup.engine.restart("shop")
                elif verb == "new settings":
                    await setup.engine.update_session("shop", SessionChange(settings={"sends_per_second": number + 1}))
                else:
                    await setup.engine.stop("shop")
                    await setup.engine.start("shop")
                await trio.sleep(0.05)
            await setup.connected()
            assert await setup.texts(5) == list("01234")
            assert setup.bot.errors[409] == 0
            assert not [conflict for conflict in setup.bot.polls.conflicts if conflict.was_heard]
            assert setup.bot.polls.max_simultaneous == 1


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
                calls = simulator.requests
                await trio.sleep(0.5)
                assert simulator.requests == calls, "nothing is confirmed and nobody knocks"
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
            with trio.fail_after(30):
                while (twin := await setup.engine.get_session("twin")).health.reason is not Reason.CONFIGURATION:
                    await trio.sleep(0.05)
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

    async def test_what_is_replayed_is_recognised(self) -> None:
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


async def test_another_api_server_and_path() -> None:
    """A local Bot API server behind a path of its own."""
    from rookery import open_engine
    from rookery_telegram import Telegram

    seen: list[str] = []

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            data = await stream.receive_some(65_536)
            seen.append(data.split(b" ")[1].decode())
            body = b'{"ok":false,"error_code":401,"description":"Unauthorized"}'
            await stream.send_all(b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        telegram = Telegram(api_url=f"http://127.0.0.1:{port}/local/a%20pi/")
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.AUTH_FAILURE)
        nursery.cancel_scope.cancel()
    assert seen == [f"/local/a%20pi/bot{TOKEN}/deleteWebhook"]


@pytest.mark.parametrize(
    "address",
    [
        *("", "api.telegram.org", "ftp://host", "http://", "http:///path", "http://[::1", "http://host:x"),
        *(
            "http://host:99999",
            "http://host:0",
            "http://user:hunter2@host",
            "http://host/?a=1",
            "http://host/#a",
            "http://\0",
        ),
    ],
)
def test_addresses_that_cannot_be_used(address: str) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput, match=r"^api_url: an http://") as caught:
        Telegram(api_url=address)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("seconds", [-1, 51])
def test_poll_timeouts_beyond_the_servers(seconds: int) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput):
        Telegram(poll_timeout=seconds)


@pytest.mark.parametrize(
    ("credentials", "settings", "field"),
    [
        ({}, {}, "credentials.token"),
        ({"token": ""}, {}, "credentials.token"),
        ({"token": "123"}, {}, "credentials.token"),
        ({"token": f"{TOKEN}/../x"}, {}, "credentials.token"),
        ({"token": f"{TOKEN}\n"}, {}, "credentials.token"),
        ({"token": TOKEN, "other": "x"}, {}, "credentials.other"),
        ({"token": TOKEN}, {"takeover": "yes"}, "settings.takeover"),
        ({"token": TOKEN}, {"colour": 1}, "settings.colour"),
        ({"token": TOKEN}, {"allowed_updates": "message"}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"allowed_updates": ["telepathy"]}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"allowed_updates": []}, "settings.allowed_updates"),
        ({"token": TOKEN}, {"sends_per_second": 1e300}, "settings.sends_per_second"),
        ({"token": TOKEN}, {"sends_per_second": -1}, "settings.sends_per_second"),
    ],
    ids=str,
)
def test_input_is_checked_before_it_is_stored(
    credentials: dict[str, str], settings: dict[str, Any], field: str
) -> None:
    from rookery.errors import InvalidInput
    from rookery_telegram import Telegram

    with pytest.raises(InvalidInput) as caught:
        Telegram().check(credentials, settings)
    assert caught.value.field == field
    assert TOKEN not in str(caught.value)
