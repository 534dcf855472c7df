"""The real neonize library shows a QR code, is linked by the scripted phone, and comes back without one."""

from pathlib import Path

import trio

from providers.whatsapp.neonize_client import open_neonize
from rookery_simulator.whatsapp import open_whatsapp_simulator

PATIENCE = 20  # seconds


async def test_a_scanned_code_links_the_device_and_a_restart_needs_none(tmp_path: Path) -> None:
    database = tmp_path / "session.sqlite3"
    with trio.fail_after(PATIENCE):
        async with open_whatsapp_simulator() as whatsapp:
            alice = whatsapp.phone("4915100000001", "Alice")
            async with open_neonize(whatsapp, database) as client:
                device = await alice.scan(await client.qr())
                paired = await client.event("PairStatus")
                assert paired["ID"]["User"] == "4915100000001"
                await client.event("Connected")
                await device.wait_active()
                assert device.prekey_count >= 50
            async with open_neonize(whatsapp, database) as client:
                await client.event("Connected")
                assert not [event for event in client.events if event["event"] == "QR"]
                assert (await client.call("me"))["JID"]["Device"] == device.number
                assert device.logins == 2
