from collections.abc import AsyncIterator

import pytest

from rookery_simulator.whatsapp import WhatsAppSimulator, open_whatsapp_simulator


@pytest.fixture
async def whatsapp() -> AsyncIterator[WhatsAppSimulator]:
    async with open_whatsapp_simulator() as simulator:
        simulator.world.settings.many_prekeys = False
        yield simulator
