"""Two sessions of one bot on two instances do not meet at the platform."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from rookery import Action, Engine, Reason, SessionStatus
from rookery_telegram import Telegram
from store.backends import PostgresBackend
from support.engines.shared_engines import open_shared, running
from support.telegram_engine import DEADLINE, TOKEN, open_quick_simulator
from support.waiting import until


async def test_the_second_session_of_a_bot_names_the_first(
    postgres: PostgresBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rookery_telegram.provider.PREDECESSOR_SECONDS", 1.0)
    async with open_quick_simulator() as simulator, AsyncExitStack() as stack:
        bot = simulator.bot(TOKEN)
        engines: dict[str, Engine] = {}
        for name in ("one", "two"):
            provider = Telegram(api_url=simulator.url, poll_timeout=2)
            opened = open_shared(postgres, provider, name, rebalance_batch=0, max_concurrent_sessions=1)  # type: ignore[arg-type]
            engines[name] = await stack.enter_async_context(opened)
        one = engines["one"]
        await until(lambda: sum(instance.capacity or 0 for instance in one.census.instances) == 2)
        for id in ("shop", "twin"):
            await one.create_session(id=id, platform="telegram", credentials={"token": TOKEN})

        async def reached(id: str, status: SessionStatus) -> None:
            with trio.fail_after(DEADLINE):
                await one.wait_status(id, status)

        with trio.fail_after(DEADLINE):
            while True:
                found = {id: (await one.get_session(id)).health for id in ("shop", "twin")}
                refused = [id for id, health in found.items() if health.reason is Reason.CONFIGURATION]
                if refused:
                    break
                await trio.sleep(0.05)
        (second,) = refused
        (first,) = found.keys() - {second}
        assert found[second].action is Action.FIX_CONFIGURATION
        assert f"'{first}'" in found[second].detail
        await reached(first, SessionStatus.CONNECTED)
        assert bot.errors[409] == 0
        await one.stop(first)
        await one.start(second)
        await reached(second, SessionStatus.CONNECTED)
        await until(lambda: running(engines["one"]) | running(engines["two"]) == {second})
        assert bot.errors[409] == 0
        assert bot.polls.max_simultaneous == 1
