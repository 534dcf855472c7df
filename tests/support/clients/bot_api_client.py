"""A plain client of the simulated Bot API for tests: one httpx client, one token, no retries."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx
import trio

from rookery_simulator.bot_api import BotApiSimulator, SimulatedBot

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
DEADLINE = 30.0
"""Seconds after which a test that waits for something has failed."""


class BotClient:
    """Calls methods with JSON bodies. `bot` is the simulator's side of the same token."""

    def __init__(self, simulator: BotApiSimulator, token: str, http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.token = token
        self.http = http

    @property
    def bot(self) -> SimulatedBot:
        return self.simulator.bot(self.token)

    async def call(self, method: str, **parameters: Any) -> httpx.Response:
        return await self.http.post(f"/bot{self.token}/{method}", json=parameters)

    async def result(self, method: str, **parameters: Any) -> Any:
        response = await self.call(method, **parameters)
        assert response.status_code == 200, response.text
        body = response.json()
        assert body["ok"] is True
        return body["result"]

    async def error(self, method: str, **parameters: Any) -> tuple[int, str]:
        """The code and description of a call that must fail; status and code must agree."""
        response = await self.call(method, **parameters)
        body = response.json()
        assert body["ok"] is False
        assert body["error_code"] == response.status_code
        return body["error_code"], body["description"]

    async def control(self, verb: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(verb, f"/control{path}", json=body)
        assert response.status_code == 200, response.text
        return response.json()["result"]


@cache
def _context() -> ssl.SSLContext:
    # httpx makes one for every client even without TLS, and that takes longer than all else in most tests.
    return httpx.create_ssl_context()


@asynccontextmanager
async def open_bot_client(simulator: BotApiSimulator, token: str = TOKEN) -> AsyncIterator[BotClient]:
    async with httpx.AsyncClient(base_url=simulator.url, timeout=DEADLINE, verify=_context(), trust_env=False) as http:
        yield BotClient(simulator, token, http)


async def wait_until(simulator: BotApiSimulator, condition: Callable[[], bool]) -> None:
    """`simulator.wait_until` that fails the test when nothing comes of it."""
    with trio.fail_after(DEADLINE):
        await simulator.wait_until(condition)
