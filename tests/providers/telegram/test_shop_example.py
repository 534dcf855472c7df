"""The example bot does its whole trade, against a server that notes every method."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import trio

from support.bot_api.method_log import open_method_log
from support.telegram_engine import TOKEN

USER = {"id": 5, "is_bot": False, "first_name": "Ann"}
COMMON = {"message_id": 1, "date": 1_700_000_000, "from": USER, "chat": {"id": 5, "type": "private"}}
PAYMENT = {"currency": "XTR", "total_amount": 5, "invoice_payload": "tea", "telegram_payment_charge_id": "c"}


def load() -> Any:
    path = Path(__file__).parents[3] / "examples/shop_bot.py"
    spec = importlib.util.spec_from_file_location("shop_bot", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_keyboard_callback_payment_and_album(tmp_path: Path) -> None:
    shop = load()
    async with open_method_log() as log, trio.open_nursery() as nursery:
        log.answer = lambda call: (200, {"ok": True, "result": True})
        nursery.start_soon(shop.run, TOKEN, log.url, f"sqlite:///{tmp_path}/shop.db")
        with trio.fail_after(60):
            await log.polling.wait()
            log.updates.append({"update_id": 1, "message": COMMON | {"text": "hi"}})
            await log.until(1)
            button = {"id": "q", "from": USER, "chat_instance": "c", "data": "tea", "message": COMMON | {"text": "?"}}
            log.updates.append({"update_id": 2, "callback_query": button})
            await log.until(3)
            order = {"id": "p", "from": USER, "currency": "XTR", "total_amount": 5, "invoice_payload": "tea"}
            log.updates.append({"update_id": 3, "pre_checkout_query": order})
            await log.until(4)
            log.updates.append({"update_id": 4, "message": COMMON | {"successful_payment": PAYMENT}})
            await log.until(5)
        nursery.cancel_scope.cancel()
    calls = {call.method: call.params for call in log.calls}
    assert calls.keys() == {
        "sendMessage",
        "answerCallbackQuery",
        "sendInvoice",
        "answerPreCheckoutQuery",
        "sendMediaGroup",
    }
    assert calls["sendMessage"]["reply_markup"] == shop.KEYBOARD
    assert calls["sendInvoice"]["payload"] == "tea"
    assert calls["answerPreCheckoutQuery"] == {"pre_checkout_query_id": "p", "ok": True}
    assert [item["media"] for item in calls["sendMediaGroup"]["media"]] == shop.PICTURES
