"""Groups, several devices, many clients at once, and keys that run out."""

from pathlib import Path

import trio

from providers.whatsapp.conftest import PATIENCE, Linked, open_linked
from rookery_simulator.whatsapp import WhatsAppSimulator
from support.waiting import until

BOB, CAROL = "4915100000002", "4915100000003"


async def test_a_group(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob, carol = whatsapp.phone(BOB, "Bob"), whatsapp.phone(CAROL, "Carol")
    group = whatsapp.group("Friends", bob, alice, carol)
    await client.event("JoinedGroup")
    for text in ("one", "two"):
        sent = bob.send_text(group, text)
        # The library reports the sender's key and the text as two messages with one identifier.
        event = await client.event("Message", lambda event, text=text: event["Message"].get("conversation") == text)  # type: ignore[misc]
        assert event["Info"]["ID"] == sent.id
        source = event["Info"]["MessageSource"]
        assert source["IsGroup"]
        assert source["Chat"]["User"] == group.jid.user
        assert source["Sender"]["User"] == bob.lid.user
        await sent.receipt("", "inactive")
        assert (await carol.next_message()).text == text
    for text in ("three", "four"):
        await client.call("send_text", str(group.jid), text)
        for member in (bob, carol):
            message = await member.received.wait_for(lambda message, text=text: message.text == text)  # type: ignore[misc]
            assert message.chat == group.jid
    info = await client.call("group_info", str(group.jid))
    assert len(info["Participants"]) == 3
    assert len(await client.call("groups")) == 1


async def test_two_clients_talk_to_each_other(whatsapp: WhatsAppSimulator, linked: Linked, tmp_path: Path) -> None:
    async with open_linked(whatsapp, BOB, tmp_path / "bob.sqlite3") as other:
        for number in range(3):
            sent = await linked.client.call("send_text", BOB, f"ping {number}")
            event = await other.client.event("Message", lambda event, sent=sent: event["Info"]["ID"] == sent["ID"])  # type: ignore[misc]
            assert event["Message"]["extendedTextMessage"]["text"] == f"ping {number}"
            await linked.client.event("Receipt", lambda receipt, sent=sent: sent["ID"] in receipt["MessageIDs"])  # type: ignore[misc]
            sent = await other.client.call("send_text", linked.phone.number, f"pong {number}")
            await linked.client.event("Message", lambda event, sent=sent: event["Info"]["ID"] == sent["ID"])  # type: ignore[misc]


async def test_two_devices_of_one_phone_see_each_others_messages(
    whatsapp: WhatsAppSimulator, linked: Linked, tmp_path: Path
) -> None:
    bob = whatsapp.phone(BOB)
    async with open_linked(whatsapp, linked.phone.number, tmp_path / "second.sqlite3") as second:
        assert second.device.number == 2
        group = whatsapp.group("Friends", bob, linked.phone)
        bob.send_text(group, "to both")
        for client in (linked.client, second.client):
            await client.event("Message", lambda event: event["Message"].get("conversation") == "to both")
        sent = await linked.client.call("send_text", BOB, "from the first")
        assert (await bob.next_message()).text == "from the first"
        event = await second.client.event("Message", lambda event: event["Info"]["ID"] == sent["ID"])
        assert event["Info"]["MessageSource"]["IsFromMe"]
        written = linked.phone.send_text(bob, "from the phone")
        for client in (linked.client, second.client):
            event = await client.event("Message", lambda event: event["Info"]["ID"] == written.id)
            assert event["Info"]["MessageSource"]["IsFromMe"]


async def test_keys_that_run_out_and_sessions_that_are_lost_are_replaced(
    whatsapp: WhatsAppSimulator, linked: Linked
) -> None:
    bob = whatsapp.phone(BOB)
    linked.device.drop_prekeys()
    sent = bob.send_text(linked.phone, "without a one-time key")
    await sent.delivered()
    linked.device.ask_for_prekeys()
    await until(lambda: linked.device.prekey_count >= 5)
    bob.lose_sessions()
    await linked.client.call("send_text", BOB, "one")
    assert (await bob.next_message()).text == "one"
    sent = bob.send_text(linked.phone, "two")
    await sent.delivered()


async def test_four_clients_talk_with_seven_peers_at_once(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    with trio.fail_after(2 * PATIENCE):
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(_talk, whatsapp, f"49151000001{number:02}", tmp_path / f"{number}.sqlite3")


async def _talk(whatsapp: WhatsAppSimulator, number: str, database: Path) -> None:
    async with open_linked(whatsapp, number, database) as linked:
        for phone in (whatsapp.phone(f"4915200000{index:02}") for index in range(7)):
            sent = phone.send_text(linked.phone, "hello")
            await sent.delivered()
            await linked.client.call("send_text", phone.number, "hello yourself")
            assert await phone.received.wait_for(lambda message: message.number == number)
