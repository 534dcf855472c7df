"""A shop in one bot: a keyboard, its callback, an invoice, and an album once it is paid.

TELEGRAM_TOKEN=123456:AA... python examples/shop_bot.py
"""

from __future__ import annotations

import os

import trio

from rookery import Engine, Event, open_engine
from rookery_telegram import Telegram

SESSION = "shop"
KEYBOARD = {"inline_keyboard": [[{"text": "A pot of tea (5 stars)", "callback_data": "tea"}]]}
PICTURES = ["https://example.org/tea-1.jpg", "https://example.org/tea-2.jpg"]


async def answer(engine: Engine, event: Event) -> None:
    """What the shop does about one event."""
    if event.type == "message" and event.body.get("kind") == "text":
        await engine.submit(SESSION, to=event.chat or "", text="What would you like?", reply_markup=KEYBOARD)
    elif event.type == "callback_query":
        await engine.call(SESSION, "answerCallbackQuery", {"callback_query_id": event.body["id"]})
        await engine.submit(
            SESSION,
            to=event.chat or "",
            type="invoice",
            title="Tea",
            description="A pot of tea",
            payload=event.body["data"],
            currency="XTR",
            prices=[{"label": "Tea", "amount": 5}],
        )
    elif event.type == "pre_checkout_query":  # Telegram waits ten seconds for this
        await engine.call(SESSION, "answerPreCheckoutQuery", {"pre_checkout_query_id": event.body["id"], "ok": True})
    elif event.type == "message" and event.body.get("kind") == "successful_payment":
        items = [{"type": "image", "url": picture} for picture in PICTURES]
        await engine.submit(SESSION, to=event.chat or "", type="album", items=items)


async def run(token: str, api_url: str, store: str) -> None:
    """Serve until cancelled."""
    async with open_engine(store=store, providers=[Telegram(api_url=api_url)]) as engine:
        await engine.create_session(id=SESSION, platform="telegram", credentials={"token": token}, exist_ok=True)
        async for event in engine.events():
            await answer(engine, event)


if __name__ == "__main__":
    trio.run(run, os.environ["TELEGRAM_TOKEN"], "https://api.telegram.org", "sqlite:///shop.db")
