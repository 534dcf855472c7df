"""A server with both simulators and so many sessions, with a day of life in them: what screenshots are made of."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio
from PIL import Image, ImageDraw

from rookery import Engine, EngineSettings, SessionStatus, open_engine
from rookery_http.compose import platform_inputs
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from rookery_simulator.bot_api import Fault, People, open_bot_api_simulator
from rookery_simulator.whatsapp import open_whatsapp_simulator
from rookery_telegram import Telegram
from support.waiting import until_found
from support.webhook_receiver import open_webhook_receiver
from support.whatsapp_engine import provider

SETTINGS = EngineSettings(
    backoff_network=0.3, backoff_jitter=0.1, start_stagger=0.0, webhook_attempts=2, webhook_backoff=0.05
)
ADA, BOB = 5501, 5502
TOWNS = ("Aachen", "Bremen", "Celle", "Dresden", "Essen", "Freiburg", "Göttingen", "Hanau", "Ilmenau", "Jena")
TRADES = ("bakery", "bookshop", "clinic", "garage", "hotel", "opticians", "pharmacy", "support desk", "workshop")
LONG = "The customer hot line of the Donaudampfschifffahrtsgesellschaft in Regensburg, evenings and weekends"
PATIENCE = 120.0


@dataclass
class Furnished:
    engine: Engine
    url: str
    bots: Any
    whatsapp: Any


@asynccontextmanager
async def furnished(directory: Path, sessions: int) -> AsyncIterator[Furnished]:
    """A server on a free port; ends with the block."""
    stop = trio.Event()
    async with (
        open_bot_api_simulator() as bots,
        open_whatsapp_simulator() as whatsapp,
        open_webhook_receiver() as receiver,
        open_engine(
            store=f"sqlite:///{directory}/rookery.db",
            providers=[Telegram(api_url=bots.url, poll_timeout=50), provider(whatsapp, directory)],
            settings=SETTINGS,
        ) as engine,
        trio.open_nursery() as nursery,
    ):
        settings = ApiSettings(port=0, drain=0.5)
        serving = partial(serve_api, engine, settings, stop=stop, platforms=platform_inputs())
        (address, *_) = await nursery.start(serving)
        place = Furnished(engine, address.url, bots, whatsapp)
        if sessions:
            receiver.status = lambda _: 500 if len(receiver.deliveries) % 4 == 0 else 200
            await engine.create_webhook(url=receiver.url)
            await engine.create_webhook(url="http://127.0.0.1:9/a/very/long/path/of/an/endpoint/that/does/not/answer")
            await engine.create_key(scopes=["read"], name="The shop's backend")
            await life(place, sessions)
        yield place
        stop.set()


async def life(place: Furnished, sessions: int) -> None:
    """The shop, the phone of the office, and as many more as are wanted, in all the states there are."""
    engine = place.engine
    shop = place.bots.new_bot()
    await engine.create_session(id="shop", platform="telegram", name="The shop", credentials={"token": shop.token})
    await engine.create_session(id="office", platform="whatsapp", name="The office phone")
    await engine.create_session(id="phone", platform="whatsapp", name="Alice's phone")
    for number in range(max(0, sessions - 3)):
        await one_more(place, number)
    with trio.fail_after(PATIENCE):
        await engine.wait_status("shop", SessionStatus.CONNECTED)
        await engine.wait_status("phone", SessionStatus.QR_REQUIRED)
        await engine.wait_status("office", SessionStatus.QR_REQUIRED)
    await talk(place, shop)
    with trio.fail_after(PATIENCE):
        await whatsapp_talk(place)
    place.bots.faults.add(Fault(kind="status", status=502, token=shop.token, count=1))
    await engine.restart("shop")
    await trio.sleep(3)


async def one_more(place: Furnished, number: int) -> None:
    name = f"{TOWNS[number % 10]} {TRADES[number % 9]}" if number != 4 else LONG
    bot = place.bots.new_bot()
    if number % 16 == 5:
        bot.revoke()
    if number % 16 == 7:
        place.bots.faults.add(Fault(kind="status", status=502, token=bot.token, count=100_000))
    id = f"s-{number:03}" if number != 6 else f"a-session-with-a-long-id-{'0123456789' * 6}"
    enabled = number % 16 != 11 and number < 260
    await place.engine.create_session(
        id=id, platform="telegram", name=name, credentials={"token": bot.token}, enabled=enabled
    )


async def talk(place: Furnished, bot: Any) -> None:
    """A conversation with everything in it that a bubble can show."""
    person = {"id": ADA, "is_bot": False, "first_name": "Ada", "last_name": "Lovelace"}
    say = partial(bot.push_message, chat_id=ADA)
    say({"text": "Good morning! Is the blue one still there?", "from": person})
    say({"text": "https://example.org/" + "a-long-address-without-a-break-" * 6, "from": person})
    photo = bot.files.add(picture(), "parrot.png")
    sizes = [photo.describe() | {"width": 480, "height": 320}]
    say({"photo": sizes, "caption": "This one, I mean", "from": person})
    bot.push_document(b"one parrot, one perch\n" * 80, "what I would like to have.txt", chat_id=ADA)
    bot.push_message(
        {"text": "When do you open today?", "from": person | {"id": BOB, "first_name": "Bob"}}, chat_id=BOB
    )
    for number in range(24):
        bot.push_text(f"A question of customer {number}", chat_id=6000 + number)
    await until_found(lambda: place.engine.chat_messages("shop", str(ADA), limit=10), seconds=PATIENCE, step=0.1)
    await place.engine.send("shop", to=ADA, text="It is. Shall I put it aside?")
    say({"text": "Perfect, I will come by at five 👋", "from": person})
    People(bot).react("👍", chat_id=ADA)
    await trio.sleep(1)


async def whatsapp_talk(place: Furnished) -> None:
    alice, bob = place.whatsapp.phone("4915100000001", "Alice"), place.whatsapp.phone("4915100000002", "Bob")
    code = await place.engine.pairing("phone")
    assert code is not None
    device = await alice.scan(code.code)
    await place.engine.wait_status("phone", SessionStatus.CONNECTED)
    await device.wait_active()
    first = bob.send_text(alice, "Are you open tody?")
    bob.edit(first, "Are you open today?")
    bob.send_media(alice, picture(), kind="image", mimetype="image/png", caption="This door?")
    gone = bob.send_text(alice, "wrong chat")
    bob.revoke(gone)
    await place.engine.send("phone", to="4915100000002", text="Until six.")
    bob.react(await bob.next_message(), "❤️")
    await trio.sleep(2)


def picture() -> bytes:
    """A parrot, more or less."""
    image = Image.new("RGB", (480, 320), "#dff0ec")
    draw = ImageDraw.Draw(image)
    draw.ellipse((170, 70, 320, 250), fill="#2b7fb8")
    draw.ellipse((230, 40, 320, 130), fill="#2b7fb8")
    draw.polygon([(316, 80), (352, 92), (316, 104)], fill="#e9b44c")
    draw.ellipse((280, 68, 294, 82), fill="#101010")
    draw.line((60, 262, 420, 262), fill="#7a5b3a", width=10)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()
