"""Whatever a stranger or the server sends becomes an event, and neither the session nor its neighbours notice."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

from rookery import Engine, Event
from rookery.model.session import Action, Reason, SessionStatus
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.stanza import protobufs
from rookery_simulator.whatsapp.stanza.jid import Jid
from rookery_simulator.whatsapp.stanza.node import Attrs, Node, node
from support.whatsapp_engine import BOB, PATIENCE, event_where, events_of, link, open_whatsapp_engine, reach, reasons


class Stage(NamedTuple):
    engine: Engine
    whatsapp: WhatsAppSimulator
    alice: Phone
    device: LinkedDevice
    bob: Phone

    async def event(self, id: str) -> Event:
        return await event_where(self.engine, lambda event: event.body.get("message_id") == id)

    def tell(self, tag: str, attrs: Attrs, content: list[Node] | None = None) -> None:
        self.device.tell(node(tag, {"from": self.bob.lid, "t": self.whatsapp.world.now()} | attrs, content))  # type: ignore[arg-type]

    async def undisturbed(self) -> None:
        assert Reason.INTERNAL_ERROR not in reasons(await self.engine.history("one"))
        assert reasons(await self.engine.history("one")).count(Reason.CONNECTED) == 1


@pytest.fixture
async def stage(whatsapp: WhatsAppSimulator, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, device = await link(engine, whatsapp)
        yield Stage(engine, whatsapp, alice, device, whatsapp.phone(BOB, "Bob"))


def serialised(data: bytes) -> outgoing.Draft:
    """A message of these bytes, which need not be what a library would write."""

    class Bytes:
        def SerializeToString(self) -> bytes:
            return data

        def HasField(self, name: str) -> bool:
            return False

    return outgoing.Draft(Bytes())


async def test_a_location_without_numbers_and_cut_surrogates_are_events(stage: Stage) -> None:
    with trio.fail_after(PATIENCE):
        for latitude in (float("nan"), float("inf"), -float("inf")):
            place = await stage.event(stage.bob.send(stage.alice, outgoing.location(latitude, 13.4, "where?")).id)
            assert place.body["kind"] == "location"
            assert place.body["location"]["latitude"] is None
            assert place.body["location"]["longitude"] == 13.4
        cut = await stage.event(stage.bob.send(stage.alice, serialised(b"\x0a\x05a\xed\xa0\x80b")).id)
        assert cut.body["kind"] == "text"
        assert cut.body["text"].startswith("a")
        assert cut.body["text"].endswith("b")
        assert "\ufffd" in cut.body["text"]
        nul = await stage.event(stage.bob.send_text(stage.alice, "a\0b").id)
        assert nul.body["text"] == "a\0b"
    await stage.undisturbed()


async def test_what_no_protobuf_can_hold_is_kept_with_a_reason(stage: Stage) -> None:
    """Nested deeper than Python's protobufs go; Go's take it."""
    deep = b""
    for _ in range(80):
        inner = b"\x0a" + _varint(len(deep)) + deep
        deep = _varint((37 << 3) | 2) + _varint(len(inner)) + inner  # viewOnceMessage.message
    with trio.fail_after(PATIENCE):
        event = await stage.event(stage.bob.send(stage.alice, serialised(deep)).id)
        assert (event.type, event.body["kind"]) == ("message", "unknown")
        assert "DecodeError" in event.body["reason"]
        assert event.chat == str(stage.bob.jid)
        assert event.raw["unread"]
    await stage.undisturbed()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


async def test_calls_are_events(stage: Stage) -> None:
    creator: Attrs = {"call-id": "CALL1", "call-creator": stage.bob.lid, "caller_pn": stage.bob.jid}
    with trio.fail_after(PATIENCE):
        offer = node("offer", creator, [node("audio", {"enc": "opus"}), node("video", {"enc": "vp8"})])
        stage.tell("call", {"id": "X1", "platform": "android", "version": "2.24"}, [offer])
        event = await event_where(stage.engine, lambda event: event.type == "call")
        assert event.body["call_id"] == "CALL1"
        assert event.body["state"] == "offered"
        assert event.body["video"] is True
        assert event.body["caller"]["phone"] == event.chat == event.sender == str(stage.bob.jid)
        stage.tell("call", {"id": "X2"}, [node("offer_notice", creator | {"media": "audio", "type": "group"})])
        stage.tell("call", {"id": "X3", "platform": "android", "version": "2"}, [node("accept", creator)])
        stage.tell("call", {"id": "X4"}, [node("terminate", creator | {"reason": "timeout"})])
        stage.tell("call", {"id": "X5"}, [node("mystery", creator)])
        ended = await event_where(stage.engine, lambda event: event.body.get("state") == "ended")
        assert ended.body["reason"] == "timeout"
        await event_where(stage.engine, lambda event: event.body.get("state") == "mystery")
        states = [event.body["state"] for event in await events_of(stage.engine, "one", "call")]
        assert states == ["offered", "offered", "accepted", "ended", "mystery"]
    await stage.undisturbed()


async def test_messages_that_cannot_be_read_are_events(stage: Stage) -> None:
    attrs: Attrs = {"sender_pn": stage.bob.jid, "type": "text", "notify": "Bob"}
    with trio.fail_after(PATIENCE):
        for id, content in {
            "ONCE": node("unavailable", {"type": "view_once"}),
            "AWAY": node("unavailable"),
            "DARK": node("enc", {"v": 2, "type": "msg"}, b"\x33" + b"x" * 60),
        }.items():
            stage.tell("message", attrs | {"id": id}, [content])
            event = await stage.event(id)
            assert event.type == "undecryptable_message"
            assert event.chat == event.sender == str(stage.bob.jid)
            assert event.body["reason"] == ("undecryptable" if id == "DARK" else "unavailable")
            assert event.body["retry_requested"] is (id == "DARK")
            assert event.body["sender_name"] == "Bob"
    await stage.undisturbed()


async def test_a_message_that_is_sent_again_is_an_event_beside_the_unreadable_one(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(PATIENCE):
        attrs: Attrs = {"id": "3AAGAIN", "sender_pn": stage.bob.jid, "type": "text"}
        stage.tell("message", attrs, [node("enc", {"v": 2, "type": "msg"}, b"\x33" + b"x" * 60)])
        assert (await stage.event("3AAGAIN")).type == "undecryptable_message"
        with monkeypatch.context() as patch:
            patch.setattr(stage.whatsapp.world, "new_id", lambda: "AGAIN")
            sent = stage.bob.send(stage.alice, outgoing.text("again"))
        event = await event_where(stage.engine, lambda event: event.body.get("text") == "again")
        assert event.type == "message"
        assert event.body["message_id"] == sent.id == "3AAGAIN"


@pytest.mark.parametrize("kind", ["server-error", "enc_rekey_retry", "of-tomorrow"])
async def test_a_receipt_that_the_library_does_not_know_costs_a_moment(stage: Stage, kind: str) -> None:
    with trio.fail_after(PATIENCE):
        logins = stage.device.logins
        stage.tell("receipt", {"id": "ABC", "type": kind})
        told = await event_where(stage.engine, lambda event: event.type == "unknown")
        assert told.body["kind"] == "Receipt"
        began = time.monotonic()
        while stage.device.logins == logins:
            await trio.sleep(0.005)
        await stage.device.wait_active()
        assert time.monotonic() - began < 3, "an ordinary reconnection would wait for the network's backoff"
        await stage.event(stage.bob.send_text(stage.alice, "after that").id)


@pytest.mark.parametrize("place", ["state", "media", "link"])
async def test_other_values_that_the_library_does_not_know_cost_a_moment_too(stage: Stage, place: str) -> None:
    group = Jid("120363000000000011", "g.us")
    with trio.fail_after(PATIENCE):
        logins = stage.device.logins
        if place == "link":
            linked = node("link", {"link_type": "of-tomorrow"}, [node("group", {"jid": group, "subject": "s"})])
            stage.tell(
                "notification", {"id": "N1", "type": "w:gp2", "from": group, "participant": stage.bob.lid}, [linked]
            )
        else:
            state = node("dancing") if place == "state" else node("composing", {"media": "smell"})
            stage.tell("chatstate", {}, [state])
        told = await event_where(stage.engine, lambda event: event.type == "unknown")
        assert told.body["kind"] == ("GroupLinkChange" if place == "link" else "ChatPresence")
        began = time.monotonic()
        while stage.device.logins == logins:
            await trio.sleep(0.005)
        await stage.device.wait_active()
        assert time.monotonic() - began < 3, "an ordinary reconnection would wait for the network's backoff"
        await stage.event(stage.bob.send_text(stage.alice, "after that").id)


async def test_played_by_oneself_is_no_error_of_the_server(stage: Stage) -> None:
    stage.tell("receipt", {"id": "ABC", "type": "played-self"})
    event = await event_where(stage.engine, lambda event: event.type == "receipt")
    assert event.body["receipt"] == "played_self"


@pytest.mark.parametrize(
    ("number", "details", "reason"),
    [
        (402, {}, Reason.BANNED),
        (402, {"code": 199}, Reason.BANNED),
        (402, {"code": 199, "expire": 600}, Reason.BANNED),
        (411, {}, Reason.TOS_BLOCK),
        (415, {}, Reason.TOS_BLOCK),
        (418, {}, Reason.TOS_BLOCK),
    ],
)
async def test_a_refusal_that_the_library_does_not_know_is_final(
    stage: Stage, number: int, details: dict[str, str | int], reason: Reason
) -> None:
    stage.device.refuse(number, **details)
    session = await reach(stage.engine, "one", SessionStatus.DISCONNECTED, reason)
    assert session.health.terminal
    if number == 402:
        assert session.health.action is Action.RETRY
        assert session.health.detail.startswith("WhatsApp has banned this account")
        assert (" until " in session.health.detail) is ("expire" in details)
        assert session.credentials["jid"] == str(stage.device.jid), "the device outlives a ban for a time"
    else:
        assert str(number) in session.health.detail


async def test_the_session_that_ends_its_worker_is_isolated_at_once(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, ill = await link(engine, whatsapp, "ill")
        others = ("a", "b", "c")
        for n, id in enumerate(others):
            await link(engine, whatsapp, id, f"491510000002{n}")
        before = {id: len(await engine.history(id)) for id in others}
        ill.refuse(413)  # a nil pointer inside the library
        with trio.fail_after(PATIENCE):
            while len([row for row in await engine.history("ill") if "worker" in row.detail]) < 4:
                await trio.sleep(0.02)
        for id in others:
            fallen = (await engine.history(id))[: len(await engine.history(id)) - before[id]]
            assert len([row for row in fallen if "worker process ended" in row.detail]) <= 1, "with the first one only"
            await reach(engine, id, SessionStatus.CONNECTED)


def _newsletter(stage: Stage, id: str, text: str, **attrs: Any) -> None:
    plain = protobufs.messages().Message(conversation=text).SerializeToString()
    content = [node("plaintext", {}, plain)]
    if edited := attrs.pop("edited_at", None):
        content.append(node("meta", {"msg_edit_t": edited, "original_msg_t": stage.whatsapp.world.now()}))
    channel: Attrs = {"from": Jid("120363000000000099", "newsletter"), "id": id, "server_id": "7", "type": "text"}
    stage.device.tell(node("message", {"t": stage.whatsapp.world.now()} | channel | attrs, content))


async def test_edits_and_deletions_in_a_channel_are_events_of_their_own(stage: Stage) -> None:
    channel = "120363000000000099@newsletter"
    with trio.fail_after(PATIENCE):
        _newsletter(stage, "NEWS", "frist")
        first = await stage.event("NEWS")
        assert (first.type, first.chat, first.sender, first.body["text"]) == ("message", channel, channel, "frist")
        assert first.body["chat_type"] == "channel"
        for n, text in enumerate(("first", "the first")):
            at = str((stage.whatsapp.world.now() + n) * 1000)
            _newsletter(stage, "NEWS", text, edit="3", edited_at=at)
            edit = await event_where(stage.engine, lambda event, text=text: event.body.get("text") == text)  # type: ignore[misc]
            assert (edit.type, edit.body["message_id"]) == ("edited_message", "NEWS")
        _newsletter(stage, "NEWS", "", edit="8")
        deleted = await event_where(stage.engine, lambda event: event.type == "deleted_message")
        assert deleted.body["message_id"] == "NEWS"


async def test_one_conversation_keeps_its_name_when_its_number_is_learned(stage: Stage) -> None:
    carol = stage.whatsapp.phone("4915100000003", "Carol")
    hidden = str(carol.lid)
    with trio.fail_after(PATIENCE):
        # The server names no phone number at first.
        stage.whatsapp.world.settings.addressing = "hidden"
        first = await stage.event(carol.send_text(stage.alice, "who am I?").id)
        assert first.chat == first.sender == hidden
        assert first.body["chat"] == {"id": hidden, "phone": None, "lid": hidden}
        stage.whatsapp.world.settings.addressing = "lid"
        second = await stage.event(carol.send_text(stage.alice, "now you know").id)
        assert second.chat == second.sender == hidden
        assert second.body["chat"] == {"id": hidden, "phone": str(carol.jid), "lid": hidden}
        await stage.engine.restart("one")
        third = await stage.event(carol.send_text(stage.alice, "after a restart").id)
        assert third.chat == hidden


async def test_an_edited_caption_names_no_file(stage: Stage) -> None:
    schema = protobufs.messages()
    with trio.fail_after(PATIENCE):
        sent = stage.bob.send_media(stage.alice, b"picture", caption="tpyo")
        await stage.event(sent.id)
        message = schema.Message()
        protocol = message.editedMessage.message.protocolMessage
        protocol.type = schema.ProtocolMessage.MESSAGE_EDIT
        outgoing.set_key(protocol.key, stage.bob.lid, sent.id, True, None)
        protocol.editedMessage.imageMessage.caption = "typo"
        stage.bob.send(stage.alice, outgoing.Draft(message, edit=outgoing.EDIT))
        edit = await event_where(stage.engine, lambda event: event.type == "edited_message")
        assert (edit.body["message_id"], edit.body["kind"], edit.body["text"]) == (sent.id, "image", "typo")
        assert "media" not in edit.body


async def test_an_acknowledgement_without_a_time_is_from_now(stage: Stage) -> None:
    stage.whatsapp.world.settings.ack_times = False
    before = time.time()
    with trio.fail_after(PATIENCE):
        receipt = await stage.engine.send("one", to=BOB, text="hi")
    assert before - 2 <= receipt.time <= time.time() + 2


async def test_retry_cuts_the_librarys_own_wait_short(stage: Stage) -> None:
    with trio.fail_after(PATIENCE):
        for _ in range(3):  # the library waits longer after each failure
            stage.device.ignore_logins = True
            stage.device.drop()
            await reach(stage.engine, "one", SessionStatus.RECONNECTING)
        stage.device.ignore_logins = False
        waiting = stage.engine.running_here()["one"].link
        began = time.monotonic()
        await stage.engine.retry("one")
        await stage.device.wait_active()
        await reach(stage.engine, "one", SessionStatus.CONNECTED)
        assert time.monotonic() - began < 3
        assert stage.engine.running_here()["one"].link is not waiting, "the library was not waited for"


async def test_a_server_that_closes_with_the_restart_does_not_stall_pairing(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    whatsapp.world.settings.restart_is_heard = False
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        with trio.fail_after(25):
            await link(engine, whatsapp)
