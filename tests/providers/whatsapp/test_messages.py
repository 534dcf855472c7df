"""Messages of every kind between the real neonize library and a scripted peer."""

import base64
import hashlib
from typing import Any

from providers.whatsapp.conftest import Linked
from providers.whatsapp.neonize_client import NeonizeClient
from rookery_simulator.whatsapp import Phone, WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from support.waiting import until_found

BOB = "4915100000002"


def bob_of(whatsapp: WhatsAppSimulator) -> Phone:
    return whatsapp.phone(BOB, "Bob")


async def test_text_both_ways_with_receipts(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob = bob_of(whatsapp)

    sent = bob.send_text(alice, "hello")
    event = await client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    assert event["Message"]["conversation"] == "hello"
    source = event["Info"]["MessageSource"]
    assert (source["Sender"]["User"], source["Sender"]["Server"]) == (bob.lid.user, "lid")
    assert (source["SenderAlt"]["User"], source["SenderAlt"]["Server"]) == (BOB, "s.whatsapp.net")
    assert event["Info"]["Pushname"] == "Bob"
    assert (await sent.delivered()).device == linked.device.lid

    response = await client.call("send_text", BOB, "hi there")
    message = await bob.next_message()
    assert (message.text, message.id, message.number) == ("hi there", response["ID"], alice.number)
    # The own phone has its copy.
    copy = await alice.sent_by_devices.wait_for()
    assert (copy.text, copy.id, copy.chat) == ("hi there", response["ID"], bob.lid)
    # Delivered, then read.
    await client.event("Receipt", lambda receipt: receipt["MessageIDs"] == [response["ID"]])
    bob.mark_read(message)
    await client.event("Receipt", lambda receipt: receipt.get("Type") == "READ")

    # Both sides keep their session over many turns.
    for number in range(5):
        await client.call("send_text", BOB, f"question {number}")
        question = await bob.next_message()
        assert question.text == f"question {number}"
        bob.reply(question, f"answer {number}")
        answer = await client.event(
            "Message",
            lambda event, number=number: (  # type: ignore[misc]
                event["Message"].get("extendedTextMessage", {}).get("text") == f"answer {number}"
            ),
        )
        assert answer["Message"]["extendedTextMessage"]["contextInfo"]["stanzaID"] == question.id


async def test_messages_from_phone_numbers(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    """The older form of address, which some chats still have."""
    whatsapp.world.settings.addressing = "pn"
    bob = bob_of(whatsapp)
    sent = bob.send_text(linked.phone, "hello")
    event = await linked.client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    source = event["Info"]["MessageSource"]
    assert (source["Sender"]["User"], source["Sender"]["Server"]) == (BOB, "s.whatsapp.net")
    assert (source["SenderAlt"]["User"], source["SenderAlt"]["Server"]) == (bob.lid.user, "lid")
    await sent.delivered()
    await linked.client.call("send_text", BOB, "hello yourself")
    assert (await bob.next_message()).text == "hello yourself"


async def test_kinds_of_messages_from_the_peer(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob = bob_of(whatsapp)
    sent = bob.send_text(alice, "first")
    edited = bob.edit(sent, "second")
    bob.revoke(sent)
    bob.send(alice, outgoing.location(52.5, 13.4, "Berlin"))
    bob.send(alice, outgoing.contact("Carol", "4915100000003"))
    bob.send(alice, outgoing.poll("Lunch?", ["yes", "no"]))
    # whatsmeow may lose a session that it uses in both directions at once, hence the wait.
    await wait_for_messages(client, 6)
    await client.call("send_text", BOB, "react to this")
    bob.react(await bob.next_message(), "👍")
    events = [event["data"] for event in await wait_for_messages(client, 7)]
    kinds = [next(iter(event["Message"].keys() - {"messageContextInfo"})) for event in events]
    assert kinds == [
        "conversation",
        "protocolMessage",
        "protocolMessage",
        "locationMessage",
        "contactMessage",
        "pollCreationMessageV3",
        "reactionMessage",
    ]
    assert events[1]["Info"]["ID"] == edited.id
    assert events[1]["Message"]["protocolMessage"]["editedMessage"]["conversation"] == "second"
    assert events[2]["Message"]["protocolMessage"]["key"]["ID"] == sent.id


async def wait_for_messages(client: NeonizeClient, count: int) -> list[dict[str, Any]]:
    """The first `count` messages of users; the phone's own protocol messages do not count."""
    found: list[dict[str, Any]] = []
    position = 0
    while len(found) < count:
        event = await client.events.wait_for(start=position)
        position += 1
        if event["event"] == "Message" and "appStateSyncKeyShare" not in str(event["data"]):
            found.append(event)
    return found


async def test_kinds_of_messages_from_the_client(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob = bob_of(whatsapp)
    sent = bob.send_text(alice, "hello")
    await client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    await client.call("reply", sent.id, "to you")
    reply = await bob.next_message()
    assert reply.message.extendedTextMessage.contextInfo.stanzaID == sent.id
    await client.call("react", str(bob.lid), str(bob.lid), sent.id, "👍")
    assert sent.id == (await bob.next_message()).message.reactionMessage.key.ID
    first = await client.call("send_text", BOB, "wrong")
    assert (await bob.next_message()).text == "wrong"
    await client.call("edit", BOB, first["ID"], "right")
    assert (await bob.next_message()).text == "right"
    await client.call("revoke", BOB, str(alice.jid), first["ID"])
    revoked = await bob.next_message()
    assert first["ID"] == revoked.message.protocolMessage.key.ID
    await client.call("poll", BOB, "Lunch?", ["yes", "no"])
    assert (await bob.next_message()).kind == "poll"


async def test_votes_both_ways(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob = bob_of(whatsapp)
    poll = bob.send(alice, outgoing.poll("Lunch?", ["yes", "no"]))
    await client.event("Message", lambda event: event["Info"]["ID"] == poll.id)
    await client.call("vote", str(bob.lid), poll.id, ["no"])
    assert bob.read_vote(await bob.next_message()) == ["no"]

    await client.call("poll", BOB, "Dinner?", ["yes", "no"])
    vote = bob.vote(await bob.next_message(), "yes")
    await client.event("Message", lambda event: event["Info"]["ID"] == vote.id)
    chosen = (await client.call("read_vote", vote.id))["selectedOptions"]
    assert [base64.b64decode(option) for option in chosen] == [hashlib.sha256(b"yes").digest()]


async def test_media_both_ways(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, _ = linked
    bob = bob_of(whatsapp)
    picture = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    sent = bob.send_media(alice, picture * 3000, mimetype="image/png", caption="look")
    event = await client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    assert event["Message"]["imageMessage"]["caption"] == "look"
    assert base64.b64decode(await client.call("download", sent.id)) == picture * 3000

    await client.call("send_media", BOB, "image", base64.b64encode(picture).decode())
    message = await bob.next_message()
    assert (bob.download(message), message.text) == (picture, "from neonize")
    await client.call("send_media", BOB, "document", base64.b64encode(b"plain text").decode())
    assert bob.download(await bob.next_message()) == b"plain text"


async def test_signs_of_life(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    client, alice, device = linked
    bob = bob_of(whatsapp)
    sent = bob.send_text(alice, "hello")
    await client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    await client.call("mark_read", sent.id, str(bob.lid), str(bob.lid))
    await sent.receipt("read")
    await client.call("typing", BOB)
    assert (await bob.chat_states.wait_for()).children[0].tag == "composing"
    bob.type_to(alice)
    await client.event("ChatPresence")
    bob.appear(alice)
    await client.event("Presence")
    # The push name comes with the app state that the phone shares after pairing.
    await until_found(lambda: client.call("me"), lambda me: me.get("PushName"))
    await client.call("appear")
    assert (await device.presences.wait_for()).get("name") == alice.name
    assert (await client.call("is_on_whatsapp", BOB))[0]["IsIn"]
