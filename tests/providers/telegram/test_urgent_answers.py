"""Answers to queries never wait behind sends, whichever way they come: a call, the queue, a webhook's answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from rookery import Engine, MessageState, OutboundMessage, SessionStatus, open_engine
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from rookery_telegram import Rates, Telegram
from support.bot_api.method_log import MethodLog, Received, open_method_log
from support.telegram_engine import QUICK, TOKEN
from support.webhook_receiver import open_webhook_receiver

SENDS = 2_000
FULL = msgspec.structs.replace(QUICK, max_pending_sends=SENDS)
"""The sends fill the queue."""
QUERIES: dict[str, dict[str, Any]] = {
    "answerCallbackQuery": {"callback_query_id": "1"},
    "answerInlineQuery": {"inline_query_id": "1", "results": []},
    "answerShippingQuery": {"shipping_query_id": "1", "ok": True, "shipping_options": []},
    "answerPreCheckoutQuery": {"pre_checkout_query_id": "1", "ok": True},
    "answerWebAppQuery": {"web_app_query_id": "1", "result": {"type": "article", "id": "1"}},
}


@asynccontextmanager
async def busy_bot(chats: int, *, store: Store | None = None) -> AsyncIterator[tuple[Engine, MethodLog]]:
    """A bot with 2,000 sends in its queue, which leave one a second."""
    async with open_method_log() as log:
        log.answer = lambda call: (200, {"ok": True, "result": True})
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=Rates(overall=1, per_chat=1, per_group=0))
        async with open_engine(providers=[telegram], store=store or MemoryStore(), settings=FULL) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                await log.polling.wait()
            for start in range(0, SENDS, 1000):
                answers = await engine.submit_batch(
                    "shop", [{"to": str(7 + n % chats), "text": f"{n}"} for n in range(start, start + 1000)]
                )
                assert not any(isinstance(answer, Exception) for answer in answers)
            yield engine, log


def sent(log: MethodLog) -> int:
    return sum(call.method == "sendMessage" for call in log.calls)


@pytest.mark.parametrize("chats", [1, SENDS])
async def test_an_answer_from_the_queue_overtakes_all_sends(chats: int) -> None:
    """The window of the queue is full, its chat is the one that waits, and its rate allows one message a second."""
    async with busy_bot(chats) as (engine, log):
        before = sent(log)
        for method, params in QUERIES.items():
            with trio.fail_after(10):
                done = await engine.submit("shop", to=7, type="telegram", method=method, params=params, wait=10)
            assert done.state is MessageState.SENT
        assert [call.method for call in log.calls if call.method != "sendMessage"] == list(QUERIES)
        assert sent(log) - before < 20, "the sends kept their pace, and the answers did not wait for them"


async def test_an_answer_that_a_webhook_gives_overtakes_all_sends() -> None:
    async with busy_bot(1) as (engine, log), open_webhook_receiver() as receiver:
        calls = [{"method": method, "params": params} for method, params in QUERIES.items()]
        receiver.status, receiver.answer = lambda _: 200, lambda _: json.dumps({"calls": calls}).encode()
        await engine.create_webhook(url=receiver.url, events=["callback_query"], replies=True)
        before = sent(log)
        user = {"id": 7, "is_bot": False, "first_name": "Ann"}
        message = {"message_id": 1, "date": 1_700_000_000, "chat": {"id": 7, "type": "private"}, "text": "buy?"}
        query = {"id": "1", "from": user, "data": "yes", "chat_instance": "c", "message": message}
        log.updates.append({"update_id": 1, "callback_query": query})
        with trio.fail_after(10):
            while not QUERIES.keys() <= {call.method for call in log.calls}:
                await log.arrived.wait()
        assert sent(log) - before < 20


@pytest.mark.parametrize("way", ["submit", "batch", "retry"])
async def test_answers_find_a_place_while_every_place_of_the_link_is_taken(way: str) -> None:
    """A hundred sends have no answer yet: the platform hangs for them. The answer is sent at once, comes from the queue,
    or from the queue for the second time, after a flood pause."""
    async with open_method_log() as log:
        hanging = trio.Event()
        method = "answerCallbackQuery"

        async def reply(call: Received) -> tuple[int, Any]:
            log.note(call)
            if call.method == "sendMessage":
                await hanging.wait()
            elif way == "retry" and sum(each.method == method for each in log.calls) == 1:
                pause = {"retry_after": 1}
                return 429, {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": pause}
            return 200, {"ok": True, "result": True}

        usual = log.reply
        log.reply = lambda call: reply(call) if call.method.startswith(("send", "answer")) else usual(call)  # type: ignore[method-assign]
        telegram = Telegram(api_url=log.url, poll_timeout=20, rates=Rates(overall=0, per_chat=0, per_group=0))
        async with open_engine(providers=[telegram], store=MemoryStore(), settings=QUICK) as engine:
            await engine.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(30):
                await engine.wait_status("shop", SessionStatus.CONNECTED)
                await engine.submit_batch("shop", [{"to": str(n), "text": "x"} for n in range(1, 301)])
                while sent(log) < 100:
                    await log.arrived.wait()
                answer: dict[str, Any] = {"to": "7", "type": "telegram", "method": method, "params": QUERIES[method]}
                if way == "batch":
                    [done] = await engine.submit_batch("shop", [answer])
                    assert isinstance(done, OutboundMessage)
                    while not done.state.final:
                        await trio.sleep(0.02)
                        done = await engine.get_message(done.id)
                else:
                    done = await engine.submit("shop", **answer, wait=10)
            assert (done.state, sent(log)) == (MessageState.SENT, 100)
            hanging.set()
