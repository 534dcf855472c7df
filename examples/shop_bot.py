"""A shop in one bot: a keyboard, its callback, an invoice, and an album once it is paid. Ctrl+C ends it.

TELEGRAM_TOKEN=123456:AA... python examples/shop_bot.py
"""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from rookery import Engine, Event, open_engine
from rookery.errors import SendError
from rookery_telegram import Telegram

SHOP = "shop"
DATA = Path(os.environ.get("SHOP_DATA", "shop-data"))
KEYBOARD = {"inline_keyboard": [[{"text": "A pot of tea (5 stars)", "callback_data": "tea"}]]}
PRICES = [{"label": "Tea", "amount": 5}]
TEA: dict[str, Any] = {"title": "Tea", "description": "A pot of tea", "currency": "XTR", "prices": PRICES}
PICTURES = [{"type": "image", "url": f"https://example.org/tea-{number}.jpg"} for number in (1, 2)]


async def answer(engine: Engine, event: Event) -> None:
    """Act on one event. A send has a key: if this event comes again after a crash, nothing is sent twice."""
    to, once, body = event.chat or "", f"shop-{event.id}", event.body
    match event.type, body.get("kind"):
        case "message", "text":
            await engine.submit(SHOP, to=to, text="What next?", reply_markup=KEYBOARD, idempotency_key=once)
        case "callback_query", _:
            with suppress(SendError):  # the button was pressed too long ago
                await engine.call(SHOP, "answerCallbackQuery", {"callback_query_id": body["id"]})
            await engine.submit(SHOP, to=to, type="invoice", payload=body["data"], **TEA, idempotency_key=once)
        case "pre_checkout_query", _:
            with suppress(SendError):
                await engine.call(SHOP, "answerPreCheckoutQuery", {"pre_checkout_query_id": body["id"], "ok": True})
        case "message", "successful_payment":
            await engine.submit(SHOP, to=to, type="album", items=PICTURES, idempotency_key=once)


async def serve() -> None:
    telegram = Telegram(api_url=os.environ.get("TELEGRAM_API_URL", "https://api.telegram.org"))
    async with open_engine(store=f"sqlite:///{DATA}/shop.db", providers=[telegram]) as engine:
        credentials = {"token": os.environ["TELEGRAM_TOKEN"]}
        await engine.create_session(id=SHOP, platform="telegram", credentials=credentials, exist_ok=True)
        cursor = DATA / "cursor"
        done = int(cursor.read_text() or 0) if cursor.exists() else 0
        async for event in engine.events(after=done, session=SHOP):
            await answer(engine, event)
            cursor.write_text(str(event.id))


async def main() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
