"""The table of errors: what each answer means for the session and for a message, over real sockets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from rookery import Action, EventQuery, MessageState, Reason, SessionChange, SessionStatus, open_engine
from rookery.errors import NotConnected, OutcomeUnknown, Rejected, SendError, SendRateLimited
from rookery_simulator.bot_api import Fault
from rookery_telegram import Telegram
from rookery_telegram import link as link_module
from rookery_telegram.bot_api.api import BotApi
from rookery_telegram.bot_api.errors import DEFAULT_RETRY_AFTER, ApiError, poll_error, read_answer, send_error
from support.telegram_engine import QUICK, SECRET, TOKEN, Setup, open_quick_simulator, open_setup

RECONNECTING = SessionStatus.RECONNECTING


def fault(kind: str, **fields: Any) -> Fault:
    return Fault(kind=kind, **fields)  # type: ignore[arg-type]


TERMINAL = [
    (fault("status", status=401), SessionStatus.AUTH_FAILURE, Reason.INVALID_TOKEN, Action.REPLACE_TOKEN),
    (fault("not_ok", status=401), SessionStatus.AUTH_FAILURE, Reason.INVALID_TOKEN, Action.REPLACE_TOKEN),
    (fault("status", status=421), SessionStatus.DISCONNECTED, Reason.CONFIGURATION, Action.FIX_CONFIGURATION),
]
PASSING = [
    (fault("status", status=409), Reason.CONFLICT),
    (fault("status", status=429, retry_after=1), Reason.RATE_LIMITED),
    (fault("status", status=429, retry_after=None, headers={"Retry-After": "1"}), Reason.RATE_LIMITED),
    (fault("status", status=403, description="Forbidden: something"), Reason.SERVER_ERROR),
    (fault("status", status=400, description="Bad Request: something"), Reason.SERVER_ERROR),
    (fault("status", status=500), Reason.SERVER_ERROR),
    (fault("status", status=502), Reason.SERVER_ERROR),
    (fault("status", status=504), Reason.SERVER_ERROR),
    (fault("status", status=301), Reason.SERVER_ERROR),
    (fault("status", status=302), Reason.SERVER_ERROR),
    (fault("garbage"), Reason.SERVER_ERROR),
    (fault("garbage", body=""), Reason.SERVER_ERROR),
    (fault("garbage", body="[]"), Reason.SERVER_ERROR),
    (fault("garbage", body='{"ok":true,"result":7}'), Reason.SERVER_ERROR),
    (fault("garbage", body='{"ok":true}'), Reason.SERVER_ERROR),
    (fault("garbage", body='{"ok":false}'), Reason.SERVER_ERROR),
    (fault("drop"), Reason.NETWORK),
    (fault("drop", reset=True), Reason.NETWORK),
    (fault("truncated"), Reason.NETWORK),
    (fault("half_close", seconds=0.05), Reason.NETWORK),
]

PASSING_IN_BOTH = [
    (one, reason, method)
    for one, reason in PASSING
    for method in ("getMe", "deleteWebhook")
    if method == "getMe" or '"ok":true' not in one.body  # the result of the other is not looked at
]


def name_of(value: object) -> str | None:
    if isinstance(value, Fault):
        return f"{value.kind}-{value.status if value.kind in ('status', 'not_ok') else value.body[:20] or 'empty'}"
    return None


def struck(one: Fault, **fields: Any) -> Fault:
    """A fresh copy of a fault, for these requests."""
    import msgspec

    return msgspec.structs.replace(one, hits=0, id=0, parameters=dict(one.parameters), **fields)


class TestStart:
    @pytest.mark.parametrize("method", ["getMe", "deleteWebhook"])
    @pytest.mark.parametrize(("one", "status", "reason", "action"), TERMINAL, ids=name_of)
    async def test_terminal(
        self, one: Fault, status: SessionStatus, reason: Reason, action: Action, method: str
    ) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
            simulator.faults.add(struck(one, method=method))
            await setup.add()
            with trio.fail_after(30):
                while not (health := (await setup.engine.get_session("shop")).health).terminal:
                    await trio.sleep(0.01)
            assert (health.status, health.reason, health.action) == (status, reason, action)
            assert health.last_error
            calls = simulator.requests
            await trio.sleep(0.2)
            assert simulator.requests == calls, "a terminal error is not retried"
            simulator.faults.clear()
            await setup.engine.start("shop")
            await setup.connected()

    @pytest.mark.parametrize(("one", "reason", "method"), PASSING_IN_BOTH, ids=name_of)
    async def test_passing(self, one: Fault, reason: Reason, method: str) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
            # getMe goes over the connection that deleteWebhook left open; when that breaks it is repeated once on another.
            count = 2 if method == "getMe" and reason is Reason.NETWORK else 1
            simulator.faults.add(struck(one, method=method, count=count))
            await setup.add()
            session = await setup.status(RECONNECTING)
            assert session.health.reason is reason
            assert session.health.last_error
            if reason is Reason.RATE_LIMITED:
                assert session.health.next_retry_at is not None
                assert 0.8 < session.health.next_retry_at - session.health.since < 1.2
            await setup.connected()

    async def test_404_is_a_wrong_token(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
            simulator.faults.add(fault("status", status=404, method="getMe"))
            await setup.add()
            session = await setup.status(SessionStatus.AUTH_FAILURE)
            assert (session.health.reason, session.health.action) == (Reason.INVALID_TOKEN, Action.REPLACE_TOKEN)

    async def test_a_token_that_nobody_knows(self) -> None:
        async with (
            open_quick_simulator(auto_register=False) as simulator,
            open_setup(simulator, add=False) as setup,
        ):
            await setup.add()
            await setup.status(SessionStatus.AUTH_FAILURE)

    async def test_no_server_there(self) -> None:
        async with open_quick_simulator() as simulator:
            url = simulator.url
        async with open_quick_simulator() as other:
            other.url = url
            async with open_setup(other, add=False) as setup:
                await setup.add()
                session = await setup.status(RECONNECTING)
                assert session.health.reason is Reason.NETWORK
                assert "127.0.0.1" in (session.health.last_error or "")

    async def test_a_server_that_never_answers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        defaults = BotApi.ask.__kwdefaults__ | {"seconds": 0.2}  # type: ignore[operator]
        monkeypatch.setattr(BotApi.ask, "__kwdefaults__", defaults)
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
            simulator.faults.add(fault("delay", method="getMe", seconds=5, count=1))
            await setup.add()
            session = await setup.status(RECONNECTING)
            assert session.health.reason is Reason.NETWORK
            await setup.connected()

    async def test_many_new_bots_wait_as_told_and_all_arrive(self) -> None:
        settings = QUICK.__class__(
            **{**{f: getattr(QUICK, f) for f in QUICK.__struct_fields__}, "start_concurrency": 4}
        )
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False, settings=settings) as setup:
            struck = fault("status", status=429, retry_after=1, method="deleteWebhook", count=5, skip=5)
            simulator.faults.add(struck)
            for number in range(15):
                await setup.add(f"bot-{number}", simulator.new_bot().token)
            for number in range(15):
                await setup.connected(f"bot-{number}")
            assert struck.hits == 5

    @pytest.mark.parametrize("method", ["deleteWebhook", "getMe"])
    async def test_waiting_ones_turn_at_a_cold_start_uses_up_no_attempts(self, method: str) -> None:
        settings = msgspec.structs.replace(QUICK, reconnect_attempts=2)
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False, settings=settings) as setup:
            turn = {"retry_after": 0.01}
            simulator.faults.add(fault("status", status=429, parameters=turn, method=method, count=8))
            await setup.add()
            await setup.connected()
            await setup.polling()
            simulator.faults.add(fault("status", status=429, parameters=turn, method="getUpdates"))
            setup.bot.push_text("wake up")
            assert (await setup.status(SessionStatus.DISCONNECTED)).health.reason is Reason.RECONNECT_EXHAUSTED


class TestPolls:
    @pytest.fixture(autouse=True)
    def no_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(link_module, "SECOND_TRY_DELAY", dict.fromkeys(link_module.SECOND_TRY_DELAY, 0.0))

    @pytest.mark.parametrize(("one", "status", "reason", "action"), TERMINAL, ids=name_of)
    async def test_terminal(self, one: Fault, status: SessionStatus, reason: Reason, action: Action) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(struck(one))
            setup.bot.push_text("wake up")
            health = (await setup.status(status)).health
            assert (health.status, health.reason, health.action) == (status, reason, action)
            assert await setup.texts(1) == ["wake up"]
            calls = simulator.requests
            await trio.sleep(0.2)
            assert simulator.requests == calls

    async def test_revoked_while_it_polls(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.revoke()
            session = await setup.status(SessionStatus.AUTH_FAILURE)
            assert session.health.reason is Reason.INVALID_TOKEN
            other = simulator.new_bot()
            from rookery import SessionChange

            await setup.engine.update_session("shop", SessionChange(credentials={"token": other.token}))
            await setup.connected()

    @pytest.mark.parametrize(("one", "reason"), PASSING, ids=name_of)
    async def test_passing(self, one: Fault, reason: Reason) -> None:
        """The same trouble twice in a row is told; nothing is lost or doubled by it."""
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(struck(one, method="getUpdates", count=2))
            setup.bot.push_text("1")
            await setup.texts(1)
            setup.bot.push_text("2")
            session = await setup.status(RECONNECTING)
            assert session.health.reason is reason
            assert session.health.last_error
            assert session.health.action is (Action.STOP_OTHER_CLIENT if reason is Reason.CONFLICT else Action.NONE)
            await setup.connected()
            setup.bot.push_text("3")
            assert await setup.texts(3) == ["1", "2", "3"]
            assert await setup.stored() == 3

    @pytest.mark.parametrize(
        ("one", "reason"), [row for row in PASSING if row[1] in (Reason.NETWORK, Reason.SERVER_ERROR)], ids=name_of
    )
    async def test_a_single_hiccup_is_nobodys_business(self, one: Fault, reason: Reason) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(struck(one, method="getUpdates", count=1))
            setup.bot.push_text("1")
            setup.bot.push_text("2")
            assert await setup.texts(2) == ["1", "2"]
            assert [row.status for row in await setup.engine.history("shop")] == [
                SessionStatus.CONNECTED,
                SessionStatus.INITIALIZING,
            ]

    async def test_a_poll_without_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(link_module, "POLL_MARGIN", 0.2)
        async with open_quick_simulator() as simulator, open_setup(simulator, poll_timeout=1) as setup:
            simulator.faults.add(fault("delay", method="getUpdates", seconds=20, count=2))
            session = await setup.status(RECONNECTING)
            assert session.health.reason is Reason.NETWORK
            await setup.connected()
            setup.bot.push_text("1")
            assert await setup.texts(1) == ["1"]

    async def test_a_slow_answer_is_an_answer(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(fault("delay", method="getUpdates", seconds=0.5, count=1, is_applied=True))
            setup.bot.push_text("1")
            setup.bot.push_text("2")
            assert await setup.texts(2) == ["1", "2"]

    async def test_404_while_it_polls_is_looked_into(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(fault("status", status=404))
            setup.bot.push_text("wake up")
            await setup.status(SessionStatus.AUTH_FAILURE)


SENDS = [
    (fault("status", status=403), "failed", "bot was blocked by the user"),
    (fault("status", status=400, description="Bad Request: chat not found"), "failed", "chat not found"),
    (fault("not_ok", status=400), "failed", "something is wrong"),
    (fault("status", status=401), "sent", None),
    (fault("status", status=404), "failed", "Not Found"),
    (fault("status", status=421), "sent", None),
    (fault("status", status=413, description="Request Entity Too Large"), "failed", "Too Large"),
    (fault("status", status=500), "sent", None),
    (fault("status", status=302), "sent", None),
    (fault("status", status=429, retry_after=1), "sent", None),
    (fault("status", status=500, description="Internal Server Error"), "unknown", "500"),
    (fault("status", status=502), "unknown", "502"),
    (fault("status", status=504), "unknown", "504"),
    (fault("garbage"), "unknown", "not a Bot API answer"),
    (fault("drop"), "unknown", "closed the connection"),
    (fault("drop", reset=True), "unknown", "connection broke"),
    (fault("lost_answer"), "unknown", "closed the connection"),
    (fault("truncated"), "unknown", "before the answer was complete"),
    (fault("half_close", seconds=0.05), "unknown", "before the answer was complete"),
    (fault("delay", seconds=20), "unknown", "no answer within"),
]


class TestSends:
    @pytest.mark.parametrize(("one", "state", "error"), SENDS, ids=name_of)
    async def test_it_ends_in_a_named_state(self, one: Fault, state: str, error: str | None) -> None:
        settings = QUICK.__class__(**{**{f: getattr(QUICK, f) for f in QUICK.__struct_fields__}, "send_timeout": 1.0})
        async with open_quick_simulator() as simulator, open_setup(simulator, settings=settings) as setup:
            simulator.faults.add(struck(one, method="sendMessage", count=1))
            first = await setup.engine.submit("shop", to=7, text="first")
            second = await setup.engine.submit("shop", to=7, text="second")
            done = await setup.engine.wait_message(first.id, 8)
            assert done.state.value == state
            if error is None:
                assert done.error is None
            else:
                assert error in (done.error or "")
            assert SECRET not in (done.error or "")
            after = await setup.engine.wait_message(second.id, 8)
            assert after.state is MessageState.SENT
            texts = [sent.text for sent in setup.bot.sent]
            took_effect = state == "sent" or one.kind in ("lost_answer", "truncated", "half_close")
            if one.kind != "delay":  # that one takes effect when its caller has gone
                assert texts == (["first", "second"] if took_effect else ["second"])
            assert (await setup.engine.get_session("shop")).health.status is SessionStatus.CONNECTED
            assert setup.bot.polls.max_simultaneous == 1

    async def test_a_revoked_token_leaves_the_queue_waiting_for_a_new_one(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.faults.add(fault("status", status=401))  # the poll that waits already does not notice
            ids = [(await setup.engine.submit("shop", to=to, text=f"{to}")).id for to in (7, 7, 8, 9)]
            session = await setup.status(SessionStatus.AUTH_FAILURE)
            assert (session.health.reason, session.health.action) == (Reason.INVALID_TOKEN, Action.REPLACE_TOKEN)
            assert {(await setup.engine.get_message(id)).state for id in ids} == {MessageState.QUEUED}
            simulator.faults.clear()
            other = simulator.new_bot()
            await setup.engine.update_session("shop", SessionChange(credentials={"token": other.token}))
            for id in ids:
                assert (await setup.engine.wait_message(id, 10)).state is MessageState.SENT
            assert sorted(sent.text or "" for sent in other.sent) == ["7", "7", "8", "9"]

    async def test_a_blocked_chat(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.block(7)
            message = await setup.engine.submit("shop", to=7, text="x")
            done = await setup.engine.wait_message(message.id, 5)
            assert (done.state, done.error) == (MessageState.FAILED, "Forbidden: bot was blocked by the user")
            setup.bot.unblock(7)
            await setup.engine.send("shop", to=7, text="y")

    async def test_a_group_that_became_a_supergroup(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            setup.bot.migrate(-5, -1_000_000_000_005)
            for text in ("one", "two"):
                receipt = await setup.engine.send("shop", to=-5, text=text)
                assert receipt.chat == "-1000000000005"
            assert [(sent.chat_id, sent.text) for sent in setup.bot.sent] == [
                (-1_000_000_000_005, "one"),
                (-1_000_000_000_005, "two"),
            ]
            [event] = await setup.events(1)
            assert (event.type, event.chat, event.body) == (
                "chat_migrated",
                "-5",
                {"from": "-5", "to": "-1000000000005"},
            )
            assert len(await setup.engine.read_events(EventQuery(types=("chat_migrated",)))) == 1

    async def test_a_flood_limit_delays_only_its_chat(self) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            simulator.set_flood_limits(chat_per_second=1)
            slow = [await setup.engine.submit("shop", to=1, text=str(number)) for number in range(3)]
            await setup.engine.send("shop", to=2, text="quick")
            assert not (await setup.engine.get_message(slow[-1].id)).state.final, "the other chat was not waited for"
            for message in slow:
                assert (await setup.engine.wait_message(message.id, 8)).state is MessageState.SENT
            assert [sent.text for sent in setup.bot.sent if sent.chat_id == 1] == ["0", "1", "2"]

    async def test_the_pace_keeps_within_the_platforms_limits(self) -> None:
        """The default pace against a server that counts strictly: never one too many, so no penalty slows it down either."""
        from rookery_telegram import Rates

        async with open_quick_simulator() as simulator, open_setup(simulator, rates=Rates()) as setup:
            simulator.set_flood_limits(chat_per_second=1, bot_per_second=30, group_per_minute=20)
            chats = ["1", "1", "1", *map(str, range(2, 62)), "-5", "-5"]
            messages = [await setup.engine.submit("shop", to=chat, text="x") for chat in chats]
            for message in messages:
                assert (await setup.engine.wait_message(message.id, 20)).state is MessageState.SENT
            assert setup.bot.errors[429] == 0

    async def test_no_connection_is_tried_again(self) -> None:
        """The connection that the poll holds is still there, but no further one can be had."""
        async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
            link: Any = setup.engine.running_here()["shop"].link
            transport = link._api._sends
            port, transport._port = transport._port, 1
            for connection in list(transport._idle):
                transport._idle.remove(connection)
                await connection.stream.aclose()
            message = await setup.engine.submit("shop", to=7, text="x")
            await trio.sleep(0.3)
            waiting = await setup.engine.get_message(message.id)
            assert waiting.state is MessageState.QUEUED
            assert "no connection" in (waiting.error or "")
            transport._port = port
            assert (await setup.engine.wait_message(message.id, 8)).state is MessageState.SENT


class TestMeanings:
    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (400, Rejected),
            (413, Rejected),
            (414, Rejected),
            (403, NotConnected),
            (407, NotConnected),
            (408, OutcomeUnknown),
            (502, OutcomeUnknown),
        ],
    )
    def test_what_a_front_end_answers_to_a_send_with_html(self, status: int, meaning: type[SendError]) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(status, {}, b"<html><h1>no</h1></html>")
        assert type(send_error(caught.value)) is meaning

    def test_a_flood_wait_that_only_the_text_names(self) -> None:
        body = b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35"}'
        with pytest.raises(ApiError) as caught:
            read_answer(429, {}, body)
        assert caught.value.retry_after == 35
        limited = send_error(caught.value)
        assert isinstance(limited, SendRateLimited)
        assert limited.retry_after == 35

    """The tables as functions."""

    @pytest.mark.parametrize(
        ("body", "retry_after"),
        [
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":7}}', 7),
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":-7}}', DEFAULT_RETRY_AFTER),
            (b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":1e300}}', 86_400),
            (b'{"ok":false,"error_code":429,"description":"x"}', 9),
            (b"<html>", 9),
        ],
    )
    def test_retry_after(self, body: bytes, retry_after: float) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(429, {b"retry-after": b"9"}, body)
        error = poll_error(caught.value, opening=False, takeover=False)
        assert error.retry_after == retry_after

    @pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"9" * 400, b"1e5", "\u0663".encode()])
    def test_headers_that_make_no_sense(self, value: bytes) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(429, {b"retry-after": value}, b"")
        error = poll_error(caught.value, opening=False, takeover=False)
        assert error.retry_after in (DEFAULT_RETRY_AFTER, 86_400)

    @pytest.mark.parametrize("code", [-1, 0, 7, 200, 10**30])
    def test_error_codes_that_make_no_sense(self, code: int) -> None:
        with pytest.raises(ApiError) as caught:
            read_answer(200, {}, b'{"ok":false,"error_code":%d}' % code)
        poll_error(caught.value, opening=True, takeover=False)
        send_error(caught.value)

    def test_deep_nonsense(self) -> None:
        with pytest.raises(ApiError):
            read_answer(200, {}, b"[" * 100_000)
        with pytest.raises(ApiError):
            read_answer(200, {}, b'{"ok":true,"result":' + b"[" * 100_000)

    def test_take_over_waits_longer_than_the_server_holds_answers_back(self) -> None:
        conflict = ApiError(409, "Conflict: terminated by other getUpdates request", readable=True)
        assert poll_error(conflict, opening=False, takeover=False).retry_after is None
        insisting = poll_error(conflict, opening=False, takeover=True).retry_after
        assert insisting is not None
        assert insisting > 3


async def test_nothing_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """Not in the log at its finest, not in errors, not in `repr`."""
    caplog.set_level("DEBUG")
    seen: list[str] = []

    async def look(setup: Setup) -> None:
        session = await setup.engine.get_session("shop")
        seen.append(repr(session))
        seen.append(repr(session.health))
        seen.append(str(await setup.engine.history("shop")))
        runner = setup.engine.running_here().get("shop")
        if runner is not None:
            link: Any = runner.link
            seen.extend([repr(runner), repr(runner.inbox), repr(link), repr(getattr(link, "_api", None))])

    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        await look(setup)
        for one in (*(row[0] for row in PASSING), *(row[0] for row in SENDS if row[0].kind != "delay")):
            simulator.faults.add(struck(one, count=1))
        for number in range(10):
            setup.bot.push_text(str(number))
            message = await setup.engine.submit("shop", to=number, text="x")
            seen.append(repr(message))
            seen.append(repr(await setup.engine.wait_message(message.id, 0.2)))
            await setup.engine.retry("shop")
            await look(setup)
        simulator.faults.clear()
        simulator.faults.add(fault("status", status=401))
        setup.bot.push_text("end")
        await setup.status(SessionStatus.AUTH_FAILURE)
        await look(setup)
    assert len(caplog.records) > 10
    everything = "\n".join(seen) + caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert SECRET not in everything
    assert TOKEN not in everything


@pytest.mark.parametrize("poll_timeout", [0, 1, 2])
async def test_a_server_that_answers_at_once_with_nothing_is_not_asked_without_a_pause(poll_timeout: int) -> None:
    async with open_quick_simulator() as simulator:
        bot = simulator.new_bot()
        body = '{"ok":true,"result":[]}'
        fault = simulator.faults.add(Fault(kind="garbage", method="getUpdates", body=body))
        telegram = Telegram(api_url=simulator.url, poll_timeout=poll_timeout)
        async with open_engine(providers=[telegram], store="memory:") as engine:
            await engine.create_session(id="a", platform="telegram", credentials={"token": bot.token})
            with trio.fail_after(30):
                await engine.wait_status("a", SessionStatus.CONNECTED)
            began = trio.current_time()
            await trio.sleep(1.2)
            assert fault.hits <= 2 + 2 * (trio.current_time() - began)
