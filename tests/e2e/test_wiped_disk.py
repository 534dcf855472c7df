"""With PostgreSQL no local file has to survive (E2)."""

from __future__ import annotations

import shutil
import signal

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.server_process import open_server_process
from support.storage import Storage
from support.traffic import read_log, settings_for


@pytest.mark.slow
async def test_wiping_the_data_directory_between_restarts_changes_nothing(shared_storage: Storage) -> None:
    storage = shared_storage
    disk = storage.data_dir / "disk"
    pushed: list[str] = []
    async with open_bot_api_simulator() as simulator:
        environment = settings_for(simulator) | storage.environment
        bot = simulator.new_bot()
        for number in range(3):
            shutil.rmtree(disk, ignore_errors=True)
            async with open_server_process(disk, environment=environment) as server:
                await server.listening()
                if number == 0:
                    async with server.client() as client:
                        body = {"id": "a", "platform": "telegram", "credentials": {"token": bot.token}}
                        assert (await client.post("/v1/sessions", json=body)).status_code == 201
                        hook = {"url": "http://127.0.0.1:9/", "id": "hook"}
                        assert (await client.post("/v1/webhooks", json=hook)).status_code == 201
                pushed.append(str(bot.push_many(1)[0]))
                with trio.fail_after(30):
                    while [event["key"] for event in await read_log(server, "a")] != pushed:
                        await trio.sleep(0.05)
                async with server.client() as client:
                    session = (await client.get("/v1/sessions/a")).json()
                    assert (session["status"], session["enabled"]) == ("CONNECTED", True)
                    assert len((await client.get("/v1/webhooks")).json()["webhooks"]) == 1
                assert not disk.exists() or not any(disk.iterdir())
                server.send_signal(signal.SIGTERM)
                assert await server.ended(12) == 0
            pushed.append(str(bot.push_many(1)[0]))
        assert bot.errors[409] == 0
        assert bot.errors[401] == 0
