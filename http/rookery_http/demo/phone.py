"""The WhatsApp side of the demo: a session that a scripted phone pairs, on a simulator that the real neonize library uses."""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import httpx
import trio

from ..output.qr import qr_terminal

if TYPE_CHECKING:
    from rookery_simulator.whatsapp import LinkedDevice, WhatsAppSimulator

SESSION = "phone"
NUMBER = "4915100000001"
PEOPLE = {"4915100000011": "Hedy", "4915100000012": "Alan", "4915100000013": "Katherine"}
WORKER = "rookery_simulator.whatsapp.trusting_worker rookery_whatsapp.worker"
PATIENCE = 30.0
"""Seconds for a code to appear and for a login: the worker has to load its library first."""


class CannotPair(Exception):
    """The session failed before it was paired; the text is the server's reason."""


class DemoPhone:
    """A WhatsApp account, the people who write to it, and the settings that let the server reach them."""

    def __init__(self, simulator: WhatsAppSimulator) -> None:
        self._simulator = simulator
        self._account = simulator.phone(NUMBER, "The shop")
        self._people = [simulator.phone(number, name) for number, name in PEOPLE.items()]
        self._device: LinkedDevice | None = None
        self.environment: Mapping[str, str] = {**simulator.environment(), "ROOKERY_WHATSAPP_WORKER": WORKER}

    @property
    def paired(self) -> bool:
        """True when the account is paired, so people can write to it."""
        return self._device is not None

    @property
    def scans(self) -> int:
        """How often a person had to scan a QR code."""
        return len(self._account.devices)

    @property
    def logins(self) -> int:
        """How often the linked device has logged in."""
        return self._device.logins if self._device is not None else 0

    @property
    def answers(self) -> int:
        """Number of answers that people got."""
        return sum(len(person.received) for person in self._people)

    async def pair(self, api: httpx.AsyncClient, show: Callable[[str], None]) -> None:
        """Create the session, show its QR code, scan it. Raises CannotPair, httpx.HTTPError."""
        try:
            with trio.fail_after(PATIENCE):
                await self._pair(api, show)
        except trio.TooSlowError:
            session = (await api.get(f"/v1/sessions/{SESSION}")).json()
            raise CannotPair(session.get("last_error") or session.get("detail") or "no answer") from None

    async def _pair(self, api: httpx.AsyncClient, show: Callable[[str], None]) -> None:
        # The session's own proxy leads to the simulator, whatever proxy the environment names.
        body = {"id": SESSION, "platform": "whatsapp", "settings": {"proxy": self._simulator.proxy_url}}
        (await api.post("/v1/sessions", json=body)).raise_for_status()
        while (answer := await api.get(f"/v1/sessions/{SESSION}/qr")).status_code != 200:
            await trio.sleep(0.05)
        code = answer.json()["code"]
        show(qr_terminal(code))
        device = await self._account.scan(code)
        await device.wait_active()
        self._device = device

    async def back(self, logins: int) -> None:
        """Return when the device has logged in more than `logins` times. Raises TooSlowError."""
        assert self._device is not None, "it is paired"
        with trio.fail_after(PATIENCE):
            while self._device.logins <= logins:
                await trio.sleep(0.02)
            await self._device.wait_active()

    def write(self, text: str) -> None:
        """Somebody writes to the account."""
        random.choice(self._people).send_text(self._account, text)  # noqa: S311


def is_possible() -> bool:
    """True when the library is installed and the simulator can make the library trust it."""
    return sys.platform == "linux" and find_spec("neonize") is not None


@asynccontextmanager
async def open_demo_phone() -> AsyncIterator[DemoPhone | None]:
    """Open a demo phone; None where that is not possible."""
    if not is_possible():
        yield None
        return
    from rookery_simulator.whatsapp import open_whatsapp_simulator

    async with open_whatsapp_simulator() as simulator:
        yield DemoPhone(simulator)
