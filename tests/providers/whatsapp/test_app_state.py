"""What the real library does with changes of the account's settings, of which a star on a message is one."""

from functools import partial

from providers.whatsapp.conftest import Linked
from providers.whatsapp.neonize_client import NeonizeClient
from rookery_simulator.whatsapp import WhatsAppSimulator
from support.waiting import until_found

COLLECTIONS = (1, 2, 3, 4, 5)
"""neonize's numbers of WhatsApp's five collections of settings."""


async def sends(client: NeonizeClient, collection: int) -> bool:
    """False while the phone's keys for its settings have not arrived."""
    try:
        await client.call("star", "4915100000002@s.whatsapp.net", "3EB0AA", collection)
    except RuntimeError as error:
        if "no app state keys" not in str(error):
            raise
        return False
    return True


async def test_the_library_sends_a_star_without_the_name_of_its_collection(
    whatsapp: WhatsAppSimulator, linked: Linked
) -> None:
    """Why `star` is refused. When this fails after an update of neonize, stars can be offered."""
    client, alice, _ = linked
    for collection in COLLECTIONS:
        await until_found(partial(sends, client, collection))
    written = {name: len(patches) for name, patches in alice.app_state.patches.items()}
    assert written == {"critical_block": 1, "": len(COLLECTIONS)}
