"""Failures of the Bot API while a session starts and polls: what each means, and what the session does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio

from rookery import Action, Reason, SessionStatus, open_engine
from rookery_simulator.bot_api import Fault
from rookery_telegram import Telegram
from rookery_telegram.bot_api.api import BotApi
from rookery_telegram.receiving import polls
from support.bot_api.faults import SENDS, fault, name_of, struck
from support.telegram_engine import QUICK, SECRET, TOKEN, Setup, open_quick_simulator, open_setup
from support.waiting import until_found

RECONNECTING = SessionStatus.RECONNECTING
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


class TestStart:
    @pytest.mark.parametrize("method", ["getMe", "deleteWebhook"])
    @pytest.mark.parametrize(("one", "status", "reason", "action"), TERMINAL, ids=name_of)
    async def test_terminal(
        self, one: Fault, status: SessionStatus, reason: Reason, action: Action, method: str
    ) -> None:
        async with open_quick_simulator() as simulator, open_setup(simulator, add=False) as setup:
            simulator.faults.add(struck(one, method=method))
            await setup.add()
            session = await until_found(
                lambda: setup.engine.get_session("shop"), lambda session: session.health.terminal, seconds=30
            )
            health = session.health
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

    async def test_many_new_bots_obey_retry_after_and_all_connect(self) -> None:
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
        monkeypatch.setattr(polls, "SECOND_TRY_DELAY", dict.fromkeys(polls.SECOND_TRY_DELAY, 0.0))

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
        """The same trouble twice in a row is reported; no message is lost or sent twice."""
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
    async def test_a_single_failed_poll_changes_no_status(self, one: Fault, reason: Reason) -> None:
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
        monkeypatch.setattr(polls, "POLL_MARGIN", 0.2)
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
