"""Leaving a Bot API server for another one: what waits is stored before `logOut` drops it."""

from __future__ import annotations

import pytest
import trio

from rookery import EventQuery, SessionStatus, open_engine
from rookery.errors import CallRefused, InvalidInput, NotConnected, OutcomeUnknown
from rookery.store.open import MemoryStore
from rookery_simulator import Fault
from rookery_telegram import Telegram
from support.telegram_engine import QUICK, Setup, open_quick_simulator, open_setup
from support.waiting import until


async def test_what_waits_is_stored_and_the_session_stops() -> None:
    """There are more updates than one answer holds, so some wait at the server when the session leaves."""
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        for number in range(250):
            setup.bot.push_text(f"{number}", chat_id=7)
        with trio.fail_after(30):
            session = await setup.engine.leave_server("shop")
        assert (session.enabled, setup.bot.calls["logout"]) == (False, 1)
        texts = [
            event.body["text"] for event in await setup.engine.read_events(EventQuery(types=("message",), limit=500))
        ]
        assert texts == [str(number) for number in range(250)]
        assert setup.bot.queue.handed_out >= 250
        polls = setup.bot.polls.count
        await setup.status(SessionStatus.DISCONNECTED)
        assert setup.bot.polls.count == polls, "the server that was left is not asked again"


async def test_a_refusal_leaves_the_session_where_it_is() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        refusal = Fault(
            kind="status", status=429, description="Too Many Requests", retry_after=600, method="close", count=1
        )
        simulator.faults.add(refusal)
        with pytest.raises(Exception, match="Too Many"):
            await setup.engine.leave_server("shop", "close")
        simulator.faults.add(Fault(kind="status", status=400, description="Bad Request: no", method="logOut", count=1))
        with pytest.raises(CallRefused, match="no"):
            await setup.engine.leave_server("shop")
        await setup.polling()
        setup.bot.push_text("still here", chat_id=7)
        assert await setup.texts(1) == ["still here"]
        assert (await setup.engine.get_session("shop")).enabled


async def test_a_lost_answer_stops_the_session() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        simulator.faults.add(Fault(kind="lost_answer", method="logOut", count=1))
        with pytest.raises(OutcomeUnknown):
            await setup.engine.leave_server("shop")
        assert not (await setup.engine.get_session("shop")).enabled


async def test_what_cannot_be_left() -> None:
    async with open_quick_simulator() as simulator, open_setup(simulator) as setup:
        with pytest.raises(InvalidInput, match="logOut, close"):
            await setup.engine.leave_server("shop", "getMe")
        await setup.engine.stop("shop")
        await setup.status(SessionStatus.DISCONNECTED)
        await until(lambda: "shop" not in setup.engine.running_here(), seconds=30)
        with pytest.raises(NotConnected):
            await setup.engine.leave_server("shop")


async def test_engines_that_share_a_provider_leave_each_other_connected() -> None:
    async with open_quick_simulator() as simulator:
        telegram = Telegram(api_url=simulator.url, poll_timeout=20)
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as other:
                await Setup(other, simulator).add(token="654321:" + "B" * 35)
                await Setup(other, simulator).connected()
            await Setup(engine, simulator).add()
            await Setup(engine, simulator).connected()
            receipt = await engine.send("shop", to=7, text="hello")
            assert int(receipt.message_id) > 0
