"""A method of the platform, called at an instance that does not own the session: made by the owner, answered here."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from rookery import SessionStatus, open_engine
from rookery.errors import CallRefused, MethodForbidden, NotFound
from rookery_telegram import Telegram
from store.backends import PostgresBackend
from support.bot_api.method_log import Received, open_method_log
from support.telegram_engine import QUICK, TOKEN, UNLIMITED


async def test_a_call_is_made_by_the_owner_and_answered_here(postgres: PostgresBackend) -> None:
    async with open_method_log() as log:

        def engine_of(name: str) -> Any:
            telegram = Telegram(api_url=log.url, poll_timeout=20, rates=UNLIMITED)
            return open_engine(providers=[telegram], store=postgres.make(), settings=QUICK, instance=name)

        async with engine_of("owner") as owner, engine_of("other") as other:
            await other.drain(0.0)  # it takes no session
            await owner.create_session(id="shop", platform="telegram", credentials={"token": TOKEN})
            with trio.fail_after(60):
                await other.wait_status("shop", SessionStatus.CONNECTED)
            assert "shop" not in other.running_here()
            answers: dict[str, tuple[int, Any]] = {
                "getChat": (200, {"ok": True, "result": {"id": 9007199254740993, "title": "ä", "x": [1.5, None]}}),
                "sendMessage": (400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}),
            }

            def answer(call: Received) -> tuple[int, Any]:
                return answers.get(call.method, (200, {"ok": True, "result": True}))

            log.answer = answer
            with trio.fail_after(60):
                assert await other.call("shop", "getChat", {"chat_id": 7}) == answers["getChat"][1]["result"]
                with pytest.raises(CallRefused, match="chat not found") as caught:
                    await other.call("shop", "sendMessage", {"chat_id": 8, "text": "a"})
                assert caught.value.error_code == 400
                with pytest.raises(MethodForbidden):
                    await other.call("shop", "getUpdates")
                with pytest.raises(NotFound):
                    await other.call("nobody", "getChat", {})
                async with trio.open_nursery() as nursery:  # queries that wait for seconds, many at once
                    for number in range(20):
                        params = {"callback_query_id": f"{number}"}
                        nursery.start_soon(other.call, "shop", "answerCallbackQuery", params)
            assert [call.method for call in log.calls[:2]] == ["getChat", "sendMessage"]
            answered = sorted(int(call.params["callback_query_id"]) for call in log.calls[2:])
            assert answered == list(range(20)), "each once"
            assert owner.telemetry.counters["calls"][("telegram", "answerCallbackQuery", "ok")] == 20
