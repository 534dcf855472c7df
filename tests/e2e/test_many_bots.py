"""A thousand bots: restored without a person, stopped inside the grace deadline, `enabled` kept."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import trio

from rookery import EngineSettings, open_engine
from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_telegram import Telegram
from support.server_process import open_server_process
from support.traffic import settings_for

BOTS = 1000
GRACE = EngineSettings().shutdown_grace


@pytest.mark.slow
async def test_a_thousand_bots_restored_and_shut_down(tmp_path: Path) -> None:
    async with open_bot_api_simulator() as simulator:
        bots = [simulator.new_bot() for _ in range(BOTS)]
        # Stored, but not enabled: the sessions wait for the server below.
        async with open_engine(
            store=f"sqlite:///{tmp_path}/rookery.db",
            secret_key="a key for this test",
            providers=[Telegram(api_url=simulator.url)],
        ) as engine:
            for n, bot in enumerate(bots):
                await engine.create_session(
                    id=f"bot-{n:04}", platform="telegram", credentials={"token": bot.token}, enabled=False
                )
        environment = settings_for(simulator) | {"ROOKERY_SECRET_KEY": "a key for this test"}
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                for n in range(BOTS):
                    assert (await client.post(f"/v1/sessions/bot-{n:04}/enable")).status_code == 202
            with trio.fail_after(60):
                await simulator.wait_until(lambda: sum(bot.polls.has_waiting for bot in bots) == BOTS)
            server.send_signal(signal.SIGTERM)
            assert await server.ended(GRACE + 4) == 0
        started = time.monotonic()
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            async with server.client() as client:
                with trio.fail_after(60):
                    while (await client.get("/v1/health")).json()["connected"] < BOTS:
                        await trio.sleep(0.05)
            restored = time.monotonic() - started
            stopping = time.monotonic()
            server.send_signal(signal.SIGTERM)
            assert await server.ended(GRACE + 4) == 0
            stopped = time.monotonic() - stopping
            assert stopped < GRACE
        assert sum(bot.errors[409] for bot in bots) == 0
        with closing(sqlite3.connect(tmp_path / "rookery.db")) as database:
            found = database.execute(
                "SELECT enabled, status, count(*) FROM sessions GROUP BY enabled, status"
            ).fetchall()
        assert found == [(1, "DISCONNECTED", BOTS)]
    print(f"\n{BOTS} bots: process start to all connected {restored:.1f} s, SIGTERM to exit 0 {stopped:.1f} s")
