from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from providers.whatsapp.neonize_client import NeonizeClient, open_neonize
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator, open_whatsapp_simulator

# There are platforms without a wheel. Only look: importing neonize would load its library into this process.
collect_ignore_glob = [] if find_spec("neonize") else ["test_*.py"]

PATIENCE = 30  # seconds for one test; nothing in them takes long by itself


class Linked(NamedTuple):
    """A running client, the phone that it is linked to, and the server's view of it."""

    client: NeonizeClient
    phone: Phone
    device: LinkedDevice


@asynccontextmanager
async def open_linked(
    simulator: WhatsAppSimulator, number: str, database: Path | str, *, resume: str = ""
) -> AsyncIterator[Linked]:
    """Pair a new client with the phone `number` and wait until it is connected."""
    phone = simulator.phone(number)
    async with open_neonize(simulator, database, resume=resume) as client:
        device = await phone.scan(await client.qr())
        await client.event("Connected")
        await device.wait_active()
        yield Linked(client, phone, device)


@pytest.fixture
async def whatsapp() -> AsyncIterator[WhatsAppSimulator]:
    async with open_whatsapp_simulator() as simulator:
        simulator.world.settings.many_prekeys = False
        yield simulator


@pytest.fixture
async def linked(whatsapp: WhatsAppSimulator, tmp_path: Path) -> AsyncIterator[Linked]:
    with trio.fail_after(PATIENCE):
        async with open_linked(whatsapp, "4915100000001", tmp_path / "session.sqlite3") as linked:
            yield linked
