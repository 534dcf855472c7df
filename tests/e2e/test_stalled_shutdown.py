"""SIGTERM while something does not answer: the process ends inside its grace with exit code 0, whichever part hangs (C1)."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from store.backends import PostgresBackend
from support import storage
from support.s3_server import REGION, S3Server
from support.server_process import ServerProcess, open_server_process
from support.stalling_proxy import open_stalling_proxy
from support.traffic import add_sessions, all_poll, settings_for
from support.webhook_receiver import open_webhook_receiver

GRACE = 4.0
STARTED = 2.0
"""Seconds for the interpreter to end on a machine that is very busy; alone it takes a tenth."""


async def submit(server: ServerProcess, session: str, count: int) -> None:
    async with server.client() as client:
        for number in range(count):
            body = {"to": str(number + 1), "type": "text", "text": "x"}
            answer = await client.post(f"/v1/sessions/{session}/messages", json=body, params={"wait": 0})
            assert answer.status_code in (200, 202), answer.text


async def end(server: ServerProcess) -> None:
    began = trio.current_time()
    server.send_signal(signal.SIGTERM)
    code = await server.ended(3 * GRACE + 10)
    took = trio.current_time() - began
    log = server.errors.decode()
    assert code == 0, f"after {took:.1f} s: {code}\n{log}"
    assert took < GRACE + STARTED, f"{took:.1f} s\n{log}"
    assert "Traceback" not in log, log
    assert "is abandoned" not in log, log


@pytest.mark.parametrize("stalled", ["both ways", "answers", "requests"])
async def test_a_database_that_stalls(postgres: PostgresBackend, tmp_path: Path, stalled: str) -> None:
    address = urlsplit(postgres.url)
    assert address.hostname is not None
    async with (
        open_bot_api_simulator() as simulator,
        open_stalling_proxy(address.hostname, address.port or 5432) as proxy,
    ):
        url = f"postgresql://{address.username}@127.0.0.1:{proxy.port}{address.path}?schema={postgres.schema}"
        place = storage.postgres(tmp_path, url, ROOKERY_SHUTDOWN_GRACE=str(GRACE))
        async with open_server_process(tmp_path, environment=settings_for(simulator) | place.environment) as server:
            await server.listening()
            tokens = {"shop": simulator.new_bot().token, "other": simulator.new_bot().token}
            await add_sessions(server, tokens)
            await all_poll(simulator, tokens)
            simulator.faults.add(Fault(kind="delay", method="sendMessage", seconds=3600.0))
            await submit(server, "shop", 3)
            proxy.set(requests=stalled == "answers", answers=stalled == "requests")
            async with trio.open_nursery() as nursery:
                # Callers that wait for an answer when the signal comes.
                async def wait_for_one(number: int) -> None:
                    body = {"to": "9", "type": "text", "text": str(number)}
                    async with server.client() as client:
                        with suppress(httpx.HTTPError):  # the connection ends with the server
                            await client.post("/v1/sessions/other/messages", json=body)

                for number in range(5):
                    nursery.start_soon(wait_for_one, number)
                await trio.sleep(0.5)
                await end(server)


async def test_platform_and_endpoint_that_hang(tmp_path: Path) -> None:
    async with open_bot_api_simulator() as simulator, open_webhook_receiver() as receiver:

        async def hang(_: object) -> None:
            await trio.sleep_forever()

        receiver.hold = hang
        environment = settings_for(simulator) | {"ROOKERY_SHUTDOWN_GRACE": str(GRACE)}
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            tokens = {"shop": simulator.new_bot().token}
            await add_sessions(server, tokens)
            async with server.client() as client:
                await client.post("/v1/webhooks", json={"url": receiver.url})
            await all_poll(simulator, tokens)
            simulator.bot(tokens["shop"]).push_many(20)
            await all_poll(simulator, tokens)
            simulator.faults.add(Fault(kind="delay", seconds=3600.0))
            await submit(server, "shop", 30)
            await end(server)


async def test_an_object_store_that_stalls_in_an_upload(tmp_path: Path, s3: S3Server) -> None:
    address = urlsplit(s3.endpoint)
    assert address.hostname is not None
    assert address.port is not None
    async with open_stalling_proxy(address.hostname, address.port) as proxy:
        environment = {
            "ROOKERY_SHUTDOWN_GRACE": str(GRACE),
            "ROOKERY_MEDIA": f"s3://{s3.bucket()}/files",
            "ROOKERY_S3_ENDPOINT": f"http://127.0.0.1:{proxy.port}",
            "ROOKERY_S3_REGION": REGION,
            "ROOKERY_S3_ACCESS_KEY": s3.access_key,
            "ROOKERY_S3_SECRET_KEY": s3.secret_key,
        }
        async with open_server_process(tmp_path, environment=environment) as server:
            await server.listening()
            async with trio.open_nursery() as nursery:

                async def upload() -> None:
                    async with server.client() as client:
                        with suppress(httpx.HTTPError):
                            await client.post(
                                "/v1/media", content=b"x" * 1_000_000, headers={"Content-Type": "image/png"}
                            )

                proxy.set(requests=False, answers=False)
                nursery.start_soon(upload)
                await proxy.asked.wait()
                await end(server)
