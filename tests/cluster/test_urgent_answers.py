"""An answer to a query, accepted by another instance than the session's, waits neither for sends nor for other calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from rookery import Engine, MessageState, open_engine
from rookery.cluster.calls import BATCH
from rookery_telegram import Rates, Telegram
from store.backends import PostgresBackend
from support.bot_api.method_log import MethodLog, Received, open_method_log
from support.engines.shared_engines import QUICK, running
from support.telegram_engine import TOKEN, UNLIMITED
from support.waiting import until

SENDS = 2_000
SETTINGS = msgspec.structs.replace(QUICK, max_pending_sends=SENDS)
"""The sends fill the queue."""
METHOD = "answerCallbackQuery"
SLOW = Rates(overall=1, per_chat=1, per_group=0)


def answer(call: Received) -> tuple[int, Any]:
    return 200, {"ok": True, "result": True}


@asynccontextmanager
async def two_instances(
    postgres: PostgresBackend, log: MethodLog, rates: Rates
) -> AsyncIterator[tuple[Engine, Engine]]:
    """The first one runs the bot `shop`."""

    def instance(name: str) -> Any:
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=rates)
        return open_engine(providers=[telegram], store=postgres.make(), settings=SETTINGS, instance=name)

    async with instance("owner") as owner:
        await owner.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
        await until(lambda: running(owner) == {"shop"})
        async with instance("other") as other:
            yield owner, other


async def fill(engine: Engine) -> None:
    """Two thousand sends, which leave one a second."""
    for start in range(0, SENDS, 1000):
        batch = [{"to": str(7 + n % 600), "text": f"{n}"} for n in range(start, start + 1000)]
        assert not any(isinstance(one, Exception) for one in await engine.submit_batch("shop", batch))


def sent(log: MethodLog) -> int:
    return sum(call.method == "sendMessage" for call in log.calls)


async def test_an_answer_in_the_queue_overtakes_the_sends_of_another_instance(postgres: PostgresBackend) -> None:
    async with open_method_log() as log:
        log.answer = answer
        async with two_instances(postgres, log, SLOW) as (owner, other):
            await fill(owner)
            before = sent(log)
            for number in range(3):
                params = {"callback_query_id": str(number)}
                with trio.fail_after(20):
                    done = await other.submit("shop", to=7, type="telegram", method=METHOD, params=params, wait=20)
                assert done.state is MessageState.SENT
            assert [call.params["callback_query_id"] for call in log.calls if call.method == METHOD] == ["0", "1", "2"]
            assert sent(log) - before < 60, "the sends kept their pace, and the answers did not wait for them"


async def test_an_answer_that_was_queued_while_no_instance_ran_overtakes_the_sends(postgres: PostgresBackend) -> None:
    async with open_method_log() as log:
        log.answer = answer
        async with two_instances(postgres, log, SLOW) as (owner, other):
            await fill(owner)
            hanging = trio.Event()

            async def reply(call: Received) -> tuple[int, Any]:
                await hanging.wait()
                return 500, {"ok": False, "error_code": 500, "description": "Internal Server Error"}

            usual, log.reply = log.reply, reply  # type: ignore[method-assign]  # the link breaks off
            await owner.restart("shop")
            await other.submit("shop", to=7, type="telegram", method=METHOD, params={"callback_query_id": "1"})
            before = sent(log)
            log.reply = usual  # type: ignore[method-assign]
            hanging.set()
            with trio.fail_after(60):
                while not any(call.method == METHOD for call in log.calls):
                    await log.arrived.wait()
            assert sent(log) - before < 60


async def test_an_answer_finds_its_way_while_slow_calls_take_all_places(postgres: PostgresBackend) -> None:
    """As many calls of another instance as are handled at once have no answer yet: the platform hangs for them."""
    async with open_method_log() as log:
        hanging = trio.Event()
        usual = log.reply

        async def reply(call: Received) -> tuple[int, Any]:
            if call.method != "sendDice":
                return await usual(call)
            log.note(call)
            await hanging.wait()
            return 200, {"ok": True, "result": True}

        log.answer, log.reply = answer, reply  # type: ignore[method-assign]
        async with two_instances(postgres, log, UNLIMITED) as (_, other), trio.open_nursery() as nursery:
            for number in range(BATCH + 8):
                nursery.start_soon(other.call, "shop", "sendDice", {"chat_id": number + 1})
            await log.until(BATCH)
            with trio.fail_after(20):
                assert await other.call("shop", METHOD, {"callback_query_id": "1"}) is True
            hanging.set()
