"""The example shops, run as a user runs them: processes of their own, whose customer buys at the simulator."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from rookery_simulator import BotApiSimulator, People, open_bot_api_simulator
from support.server_process import open_server_process
from support.telegram_engine import TOKEN
from support.traffic import settings_for
from support.waiting import until_found

EXAMPLES = Path(__file__).parents[3] / "examples"
DEADLINE = 60
KEYBOARD = {"inline_keyboard": [[{"text": "A pot of tea (5 stars)", "callback_data": "tea"}]]}
BOUGHT = ["sendMessage", "sendInvoice", "sendMediaGroup"]


@pytest.mark.parametrize("name", ["shop_bot.py", "shop_webhook.py"])
def test_they_are_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 64


@asynccontextmanager
async def running(name: str, environment: Mapping[str, str]) -> AsyncIterator[trio.Process]:
    """The example as a process; killed at the end if it still runs."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(EXAMPLES / name)],
        env={**os.environ, "PYTHONWARNINGS": "error", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def buy(simulator: BotApiSimulator) -> None:
    """Write, press the button, pay, and get the album: each once the shop has done its part."""
    bot = simulator.bot(TOKEN)
    people = People(bot)

    async def until(count: int) -> None:
        await simulator.wait_until(lambda: len(bot.sent) >= count)

    with trio.fail_after(DEADLINE):
        bot.push_text("hi", chat_id=5)
        people.react("👍", chat_id=5)  # no concern of the shop
        await until(1)
        id = people.press("tea", chat_id=5)
        await until(2)
        await simulator.wait_until(lambda: id not in bot.open_queries)  # the button was answered
        order = people.pay(chat_id=5)
        await until(3)
    assert [sent.method for sent in bot.sent] == BOUGHT
    assert order.charge
    assert order.invoice.payload == "tea"
    greeting, invoice, pictures = (sent.parameters for sent in bot.sent)
    assert greeting == {"chat_id": 5, "text": "What next?", "reply_markup": KEYBOARD}
    assert invoice == {
        "chat_id": 5,
        "title": "Tea",
        "description": "A pot of tea",
        "payload": "tea",
        "currency": "XTR",
        "prices": [{"label": "Tea", "amount": 5}],
    }
    items = [{"type": "photo", "media": f"https://example.org/tea-{number}.jpg"} for number in (1, 2)]
    assert pictures == {"chat_id": 5, "media": items}
    pressed, asked = bot.actions
    assert (pressed.method, pressed.parameters) == ("answerCallbackQuery", {"callback_query_id": id})
    assert asked.method == "answerPreCheckoutQuery"
    assert asked.parameters.keys() == {"pre_checkout_query_id", "ok"}
    assert asked.parameters["ok"] is True
    album = [message for (chat, _), message in bot.messages.items() if chat == 5 and "media_group_id" in message]
    assert len(album) == 2


async def test_the_embedded_shop_sells_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with open_bot_api_simulator() as simulator:
        environment = {"TELEGRAM_TOKEN": TOKEN, "TELEGRAM_API_URL": simulator.url, "SHOP_DATA": str(tmp_path)}
        async with running("shop_bot.py", environment) as process:
            await buy(simulator)
            process.send_signal(signal.SIGTERM)
            with trio.fail_after(DEADLINE):
                assert await process.wait() == 0
        bot = simulator.bot(TOKEN)
        bot.push_text("again", chat_id=5)
        async with running("shop_bot.py", environment):
            with trio.fail_after(DEADLINE):
                await simulator.wait_until(lambda: len(bot.sent) == 4)
        assert [sent.method for sent in bot.sent] == [*BOUGHT, "sendMessage"], "nothing is answered twice"


async def test_the_shop_behind_a_webhook_sells(tmp_path: Path) -> None:
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | {"ROOKERY_API_KEY": "the-admin-key"}
        async with open_server_process(tmp_path, environment=environment) as server:
            url = await server.listening()
            assert re.match(r"http://127\.0\.0\.1:\d+", url)
            async with server.client() as client:
                client.headers["Authorization"] = "Bearer the-admin-key"
                session = {"id": "shop", "platform": "telegram", "credentials": {"token": TOKEN}}
                assert (await client.post("/v1/sessions", json=session)).status_code == 201
                shop = {"ROOKERY_URL": url, "ROOKERY_API_KEY": "the-admin-key", "SHOP_PORT": "0"}
                async with running("shop_webhook.py", shop):
                    await until_found(
                        lambda: client.get("/v1/webhooks"), lambda answer: answer.json()["webhooks"], seconds=DEADLINE
                    )
                    await buy(simulator)
