"""A zombie of each platform, among a thousand idle bots, is found by asking and restarted within the time that the settings
promise; no other session is restarted in the same run (G2).

Everything is real but the servers: sockets, long polls, the WhatsApp library in its worker. A zombie's connection stays
open, takes everything and answers nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import trio

from rookery import Engine, SessionStatus, open_engine
from rookery.model.session import Reason
from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from rookery_simulator.whatsapp import open_whatsapp_simulator
from rookery_telegram import Telegram
from support.whatsapp_engine import BOB, PATIENCE, QUICK, event_where, link, provider, reach, reasons

HEALTHY = 1000
SETTINGS = msgspec.structs.replace(
    QUICK,
    health_warmup=0.2,
    health_interval=2.0,
    deep_check_interval=2.0,
    probe_timeout=2.0,
    backoff_network=1.0,  # time for the test to mend the zombie before it connects again
    backoff_jitter=0.0,
)
TICK = 1.0  # between two looks of the health checker at who is due
PROMISED = (
    SETTINGS.health_warmup
    + SETTINGS.deep_check_interval
    + SETTINGS.probe_failures * (max(SETTINGS.probe_timeout, SETTINGS.deep_check_interval) + TICK)
)
BUSY = 15.0  # seconds that a busy machine may add


async def found(engine: Engine, id: str, mend: Callable[[], object]) -> None:
    while Reason.PROBE_FAILED not in reasons(await engine.history(id)):
        await trio.sleep(0.05)
    mend()


@pytest.mark.slow
async def test_zombies_of_each_platform_among_a_thousand_idle_bots(tmp_path: Path) -> None:
    async with (
        open_bot_api_simulator() as telegram,
        open_whatsapp_simulator() as whatsapp,
        open_engine(
            providers=[Telegram(api_url=telegram.url), provider(whatsapp, tmp_path)], store="memory:", settings=SETTINGS
        ) as engine,
    ):
        bots = {f"bot-{n:04}": telegram.new_bot() for n in range(HEALTHY)} | {"zombie": telegram.new_bot()}
        for id, bot in bots.items():
            await engine.create_session(id=id, platform="telegram", credentials={"token": bot.token})
        phone, device = await link(engine, whatsapp)
        _, neighbour = await link(engine, whatsapp, "two", "4915100000009")
        with trio.fail_after(60):
            await telegram.wait_until(lambda: all(bot.polls.has_waiting for bot in bots.values()))
        for method in ("getMe", "getUpdates"):
            telegram.faults.add(Fault(kind="delay", method=method, token=bots["zombie"].token, seconds=3600))
        device.silence()
        began = trio.current_time()
        with trio.fail_after(PROMISED + BUSY):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(found, engine, "zombie", telegram.faults.clear)
                nursery.start_soon(found, engine, "one", lambda: None)  # the silence ends with its connection
        took = trio.current_time() - began
        for id in ("zombie", "one"):
            await reach(engine, id, SessionStatus.CONNECTED)
        bots["zombie"].push_text("still there?")
        whatsapp.phone(BOB).send_text(phone, "and you?")
        for id, text in (("zombie", "still there?"), ("one", "and you?")):
            await event_where(
                engine,
                lambda event, id=id, text=text: (event.session, event.body.get("text")) == (id, text),  # type: ignore[misc]
            )
        assert {id for id, bot in bots.items() if bot.calls["deletewebhook"] > 1} == {"zombie"}
        assert neighbour.logins == 1, "the other account of the same worker has noticed nothing"
        assert engine.telemetry.counters["link_failures"] == {
            ("telegram", "PROBE_FAILED"): 1,
            ("whatsapp", "PROBE_FAILED"): 1,
        }
        answered = engine.telemetry.counters["probes"]["telegram", "deep", "ok"]
        assert answered >= HEALTHY, "the healthy ones were asked too"
        with trio.fail_after(PATIENCE):
            while (await engine.health()).connected < HEALTHY + 3:
                await trio.sleep(0.05)
        print(
            f"\nboth zombies found within {took:.1f} s of {PROMISED:.1f} s; {answered:.0f} probes of idle bots were answered"
        )
