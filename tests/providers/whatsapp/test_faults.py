"""What the real neonize library reports when the server misbehaves, bans, or unlinks."""

from pathlib import Path

import pytest
import trio

from providers.whatsapp.conftest import PATIENCE, Linked
from providers.whatsapp.neonize_client import open_neonize
from rookery_simulator.whatsapp import Network, WhatsAppSimulator
from support.waiting import until, until_found

ALICE = "4915100000001"


async def test_the_phone_unlinks_a_device_that_is_away(
    whatsapp: WhatsAppSimulator, linked: Linked, tmp_path: Path
) -> None:
    await linked.client.call("stop")
    await linked.device.wait_gone()
    linked.device.remove()
    with trio.fail_after(PATIENCE):
        async with open_neonize(whatsapp, tmp_path / "session.sqlite3") as client:
            assert (await client.event("LoggedOut"))["OnConnect"]
            # The event comes before the library has deleted its device.
            await until(lambda: not whatsapp.connections)
        async with open_neonize(whatsapp, tmp_path / "session.sqlite3") as client:
            await client.qr()


async def test_replaced_by_another_connection(whatsapp: WhatsAppSimulator, linked: Linked, tmp_path: Path) -> None:
    async with open_neonize(whatsapp, tmp_path / "session.sqlite3") as second:
        await linked.client.event("StreamReplaced")
        await second.event("Connected")


async def test_a_login_without_an_answer_is_not_noticed_by_the_library(
    whatsapp: WhatsAppSimulator, linked: Linked
) -> None:
    linked.device.ignore_logins = True
    linked.device.drop()
    await linked.client.event("Disconnected")
    await until_found(lambda: linked.client.call("is_connected"))
    # The library does not notice: it still believes what was true before the connection was lost.
    assert await linked.client.call("is_logged_in")
    assert linked.device.logins == 1


async def test_a_black_hole(whatsapp: WhatsAppSimulator, linked: Linked, tmp_path: Path) -> None:
    whatsapp.set_network(Network.BLACK_HOLE)
    sent = whatsapp.phone("4915100000002").send_text(linked.phone, "swallowed")
    async with open_neonize(whatsapp, tmp_path / "other.sqlite3") as other:
        with trio.move_on_after(1) as waiting:
            await other.qr()
        assert waiting.cancelled_caught
        assert not len(sent.receipts)
        whatsapp.set_network(Network.UP)
        linked.device.drop()
        await sent.delivered()


async def test_silence_and_slowness_do_not_hang_the_shutdown(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    linked.device.slow(1000)
    linked.device.silence()
    whatsapp.phone("4915100000002").send_text(linked.phone, "never arrives")


async def a_cut_connection_comes_back_with_the_messages_in_between(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    seen = len(linked.client.events)
    whatsapp.set_network(Network.DOWN)
    await linked.device.wait_gone()
    await linked.client.event("Disconnected", start=seen)
    sent = whatsapp.phone("4915100000012").send_text(linked.phone, "while you were away")
    whatsapp.set_network(Network.UP)
    await linked.client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    await sent.delivered()
    assert not linked.device.undelivered


async def a_send_that_loses_its_connection_is_repeated_and_arrives_once(
    whatsapp: WhatsAppSimulator, linked: Linked
) -> None:
    bob = whatsapp.phone("4915100000002")
    linked.device.hold_acks = True
    async with trio.open_nursery() as nursery:
        nursery.start_soon(linked.client.call, "send_text", bob.number, "once")
        first = await bob.next_message()
        linked.device.hold_acks = False
        linked.device.drop()
    await linked.client.call("send_text", bob.number, "twice")
    assert [message.text for message in bob.received] == ["once", "twice"]
    assert first.id != bob.received[1].id


async def a_message_that_comes_twice_is_reported_once(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    bob = whatsapp.phone("4915100000013")
    sent = bob.send_text(linked.phone, "hello")
    stanza = linked.device.undelivered[sent.id]
    await sent.delivered()
    receipts = len(sent.receipts)
    linked.device.deliver(stanza)
    await sent.receipts.wait_until(receipts + 1)
    await linked.client.event("Message", lambda event: event["Info"]["ID"] == sent.id)
    assert await linked.client.call("is_connected")  # an answer comes behind all that was reported before it
    assert len([event for event in linked.client.events if sent.id in str(event)]) == 1


async def an_unavailable_server_is_tried_again(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    seen = len(linked.client.events)
    linked.device.refuse(503)
    await linked.client.event("Disconnected", start=seen)
    linked.device.admit()
    await linked.client.event("Connected", start=len(linked.client.events))


async def a_malformed_stanza_changes_nothing(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    linked.device.malformed()
    sent = whatsapp.phone("4915100000002").send_text(linked.phone, "still there?")
    assert (await sent.delivered()).device == linked.device.lid


async def a_refused_message(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    whatsapp.phone("4915100000002")
    linked.device.send_error = 463
    with pytest.raises(RuntimeError, match="463"):
        await linked.client.call("send_text", "4915100000002", "hello")
    linked.device.send_error = None
    with pytest.raises(RuntimeError, match="no LID found"):
        await linked.client.call("send_text", "4915100000099", "hello")


async def stream_error_503_leaves_a_zombie(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    linked.device.stream_error(503, close=False)
    await until_found(lambda: linked.client.call("is_logged_in"), lambda found: not found)
    assert await linked.client.call("is_connected")
    # Closed by the server, it reconnects by itself.
    linked.device.drop()
    await linked.client.event("Connected", start=len(linked.client.events))


async def test_a_client_survives_one_trouble_after_the_other(whatsapp: WhatsAppSimulator, linked: Linked) -> None:
    for trouble in (
        a_cut_connection_comes_back_with_the_messages_in_between,
        a_send_that_loses_its_connection_is_repeated_and_arrives_once,
        a_message_that_comes_twice_is_reported_once,
        an_unavailable_server_is_tried_again,
        a_malformed_stanza_changes_nothing,
        a_refused_message,
        stream_error_503_leaves_a_zombie,
    ):
        with trio.fail_after(PATIENCE):
            await trouble(whatsapp, linked)
            await linked.device.wait_active()
