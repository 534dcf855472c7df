"""People, groups, channels, profile, presence and calls, asked of the real library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from rookery import Engine
from rookery.errors import InvalidInput, NotConnected, NotFound, PlatformRefused
from rookery.model import directory as d
from rookery.model.session import SessionStatus
from rookery_simulator.whatsapp import LinkedDevice, Phone, WhatsAppSimulator
from rookery_whatsapp.directory import numbers
from support.whatsapp_engine import BOB, NUMBER, PATIENCE, event_where, link, open_whatsapp_engine, reach

CAROL = "4915100000003"


EPHEMERAL_SETTING = 3  # ProtocolMessage.Type


async def people(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    bob = whatsapp.phone(BOB)
    bob.picture, bob.about = b"jpeg", "At the beach"
    sent = bob.send_text(alice, "hello")
    await event_where(engine, lambda event: event.body.get("message_id") == sent.id)
    found = await engine.ask("one", d.ListContacts(q="bo"))
    assert [(each.name, each.id, each.lid) for each in found] == [("Bob", str(bob.jid), str(bob.lid))]
    for form in ("+49 151 0000 0002", BOB, str(bob.jid), f"{BOB}@c.us", str(bob.lid)):
        one = await engine.ask("one", d.GetContact(who=form))
        assert (one.id, one.phone, one.lid, one.name) == (str(bob.jid), str(bob.jid), str(bob.lid), "Bob"), form
        assert (one.about, one.blocked) == ("At the beach", False)
    assert (await engine.ask("one", d.GetPicture(who=BOB))).url.startswith("https://")
    assert await engine.ask("one", d.GetPicture(who=NUMBER)) is None
    await engine.ask("one", d.SetBlocked(who=BOB, blocked=True))
    assert await engine.ask("one", d.ListBlocked()) in ([str(bob.jid)], [str(bob.lid)])
    assert (await engine.ask("one", d.GetContact(who=BOB))).blocked
    await engine.ask("one", d.SetBlocked(who=BOB, blocked=False))
    assert await engine.ask("one", d.ListBlocked()) == []
    for seconds in (604_800, 0):
        seen = len(bob.received)
        await engine.ask("one", d.SetTimer(who=f"+{BOB}", expires_in=seconds))
        setting = (await bob.received.wait_for(lambda each: True, start=seen)).message.protocolMessage
        assert (setting.type, setting.ephemeralExpiration) == (EPHEMERAL_SETTING, seconds)
    with pytest.raises(InvalidInput, match="expires_in"):
        await engine.ask("one", d.SetTimer(who=BOB, expires_in=-1))
    with pytest.raises(InvalidInput) as caught:
        await engine.ask("one", d.GetContact(who="nobody"))
    assert caught.value.field == "who"


async def number_checks(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    asked = [f"+{BOB}", "+49 151 9999 9999", BOB]
    first = await engine.ask("one", d.CheckNumbers(phones=asked))
    assert [each.phone for each in first] == asked
    assert [each.exists for each in first] == [True, False, True]
    assert (first[0].chat, first[0].lid) == (str(whatsapp.phone(BOB).jid), str(whatsapp.phone(BOB).lid))
    again = await engine.ask("one", d.CheckNumbers(phones=asked))
    assert [each.checked_at for each in again] == [each.checked_at for each in first], "kept for a day"
    with pytest.raises(InvalidInput) as caught:
        await engine.ask("one", d.CheckNumbers(phones=["120363@g.us"]))
    assert caught.value.field == "phones"
    whatsapp.phone("551187654321")
    whatsapp.world.other_numbers["5511987654321"] = "551187654321"  # the server knows the old number only
    (moved,) = await engine.ask("one", d.CheckNumbers(phones=["+55 11 98765-4321"]))
    assert moved.exists
    assert moved.chat == "551187654321@s.whatsapp.net"
    # Mexico's 1 and Argentina's 9, in both directions: only the server knows which form an account has.
    for known, written in (
        ("525512345678", "+52 1 55 1234 5678"),
        ("5215587654321", "+52 55 8765 4321"),
        ("541112345678", "+54 9 11 1234-5678"),
        ("5491187654321", "+54 11 8765-4321"),
    ):
        phone = whatsapp.phone(known)
        (unknown,) = await engine.ask("one", d.CheckNumbers(phones=[written]))
        assert not unknown.exists, "nothing is guessed"
        whatsapp.world.other_numbers["".join(filter(str.isdigit, written))] = known
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(numbers, "KEPT", 0.0)  # a day later
            (found,) = await engine.ask("one", d.CheckNumbers(phones=[written]))
        assert (found.exists, found.chat, found.lid) == (True, str(phone.jid), str(phone.lid))


async def in_groups(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    bob, carol = whatsapp.phone(BOB), whatsapp.phone(CAROL, "Carol")
    made = await engine.ask("one", d.CreateGroup(name="Friends", participants=[BOB]))
    assert [(each.phone, each.owner) for each in made.participants] == [(str(alice.jid), True), (str(bob.jid), False)]
    chat = made.chat
    await engine.ask(
        "one",
        d.ChangeGroup(chat=chat, name="Old friends", description="cake", only_admins_send=True, expires_in=86400),
    )
    now = await engine.ask("one", d.GetGroup(chat=chat))
    assert (now.name, now.description, now.only_admins_send, now.only_admins_edit) == (
        "Old friends",
        "cake",
        True,
        False,
    )
    assert now.expires_in == 86400
    assert now.kind == "group"
    for change, name, admin in (("add", CAROL, False), ("promote", CAROL, True), ("demote", CAROL, False)):
        question = d.ChangeParticipants(chat=chat, change=change, participants=[name])  # type: ignore[arg-type]
        assert [each.error for each in await engine.ask("one", question)] == [None]
        members = {each.phone: each for each in (await engine.ask("one", d.GetGroup(chat=chat))).participants}
        assert members[str(carol.jid)].admin is admin
    missing = d.ChangeParticipants(chat=chat, change="add", participants=["4915199999999"])
    assert [each.error for each in await engine.ask("one", missing)] == [404]
    await engine.ask("one", d.ChangeParticipants(chat=chat, change="remove", participants=[CAROL]))
    told = await event_where(
        engine, lambda event: event.type == "group_changed" and event.body["change"] == "left" and event.chat == chat
    )
    assert told.body["actor"]["phone"] == str(alice.jid)
    assert told.body["changes"][0]["participants"][0]["phone"] == str(carol.jid)
    settings = await event_where(engine, lambda event: event.body.get("change") == "settings")
    assert settings.body["changes"][0] in ({"change": "settings", "only_admins_send": True},)
    named = await event_where(engine, lambda event: event.body.get("change") == "name")
    assert named.body["changes"][0]["name"] == "Old friends"

    link_one = await engine.ask("one", d.GetInvite(chat=chat))
    link_two = await engine.ask("one", d.GetInvite(chat=chat, reset=True))
    assert link_one != link_two
    other = whatsapp.group("Other", bob)
    invitation = f"https://chat.whatsapp.com/{other.invite}"
    assert (await engine.ask("one", d.PreviewGroup(link=invitation))).name == "Other"
    assert await engine.ask("one", d.JoinGroup(link=invitation)) == str(other.jid)
    assert {each.name for each in await engine.ask("one", d.ListGroups())} == {"Old friends", "Other"}
    with pytest.raises(PlatformRefused, match="403"):
        await engine.ask("one", d.ChangeGroup(chat=str(other.jid), name="Mine"))
    whatsapp.world.groups[other.jid].admins.add(alice.number)
    whatsapp.world.groups[other.jid].requests.append(carol)
    (request,) = await engine.ask("one", d.ListJoinRequests(chat=str(other.jid)))
    assert request.phone == str(carol.jid)
    await engine.ask("one", d.LeaveGroup(chat=str(other.jid)))
    assert alice not in other.members
    village = await engine.ask("one", d.CreateGroup(name="Village", participants=[], community=True))
    street = await engine.ask("one", d.CreateGroup(name="Street", participants=[], parent=village.chat))
    assert (village.kind, street.kind, street.community) == ("community", "community_group", village.chat)
    with pytest.raises(InvalidInput, match=r"chat: .*g\.us"):
        await engine.ask("one", d.GetGroup(chat=BOB))


async def in_channels(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    channel = whatsapp.channel("News", description="What is new", owner=whatsapp.phone(BOB))
    chat = str(channel.jid)
    assert await engine.ask("one", d.ListChannels()) == []
    found = await engine.ask("one", d.GetChannel(channel=chat))
    assert (found.name, found.description, found.role) == ("News", "What is new", "guest")
    await engine.ask("one", d.FollowChannel(channel=found.link))
    assert [(each.chat, each.role) for each in await engine.ask("one", d.ListChannels())] == [(chat, "subscriber")]
    post = whatsapp.post(channel, "first")
    event = await event_where(engine, lambda event: event.body.get("message_id") == post)
    assert (event.chat, event.body["chat_type"], event.body["text"]) == (chat, "channel", "first")
    await engine.ask("one", d.UnfollowChannel(channel=chat))
    assert await engine.ask("one", d.ListChannels()) == []
    with pytest.raises(PlatformRefused):
        await engine.ask("one", d.GetChannel(channel="999999999999@newsletter"))


async def profile_and_presence(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    alice.picture = b"jpeg"
    mine = await engine.ask("one", d.GetProfile())
    assert (mine.phone, mine.lid, mine.name) == (str(alice.jid), str(alice.lid), alice.name)
    assert mine.picture is not None
    assert mine.privacy["last_seen"] == "all"
    assert mine.statuses == d.Audience(kind="contacts")
    alice.status_audience = ("whitelist", (whatsapp.phone(BOB).jid,))
    only = (await engine.ask("one", d.GetProfile())).statuses
    assert only == d.Audience(kind="only", people=[f"{BOB}@s.whatsapp.net"])
    changed = await engine.ask("one", d.ChangeProfile(name="Alicia", about="busy", picture=b"\xff\xd8 new"))
    assert (changed.name, changed.about) == ("Alicia", "busy")
    assert (alice.about, alice.picture) == ("busy", b"\xff\xd8 new")

    bob = whatsapp.phone(BOB)
    await engine.ask("one", d.SubscribePresence(who=BOB))
    asked = len(device.presences)
    await device.presences.wait_for(lambda node: node.get("type") == "subscribe")
    device.drop()  # the server forgets it with the connection
    again = await device.presences.wait_for(lambda node: node.get("type") == "subscribe", start=asked)
    assert again.get("to") in (str(bob.jid), str(bob.lid))
    await device.wait_active()


async def calls(engine: Engine, whatsapp: WhatsAppSimulator, alice: Phone, device: LinkedDevice) -> None:
    bob = whatsapp.phone(BOB)
    id = bob.ring(alice, video=True)
    event = await event_where(engine, lambda event: event.type == "call" and event.body["call_id"] == id)
    assert event.body["video"]
    await engine.ask("one", d.RejectCall(call=id))
    rejected = await bob.calls.wait_for()
    assert rejected.require("reject").get("call-id") == id
    with pytest.raises(NotFound, match="call"):
        await engine.ask("one", d.RejectCall(call="never"))


async def test_a_linked_session_answers(
    whatsapp: WhatsAppSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "PAUSE", 0.05)
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        whatsapp.phone(BOB, "Bob")
        alice, device = await link(engine, whatsapp)
        checks: list[Any] = [people, number_checks, in_groups, in_channels, profile_and_presence, calls]
        for check in checks:
            with trio.fail_after(PATIENCE):
                await check(engine, whatsapp, alice, device)
        assert list(whatsapp.world.unknown_queries) == []
        await engine.stop("one")
        await reach(engine, "one", SessionStatus.DISCONNECTED)
        with pytest.raises(NotConnected):
            await engine.ask("one", d.ListGroups())


async def test_calls_are_rejected_by_themselves_where_that_is_set(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        alice, _ = await link(engine, whatsapp, settings={"reject_calls": True})
        bob = whatsapp.phone(BOB, "Bob")
        with trio.fail_after(PATIENCE):
            id = bob.ring(alice)
            assert (await bob.calls.wait_for()).require("reject").get("call-id") == id
            event = await event_where(engine, lambda event: event.type == "call")
            assert event.body["state"] == "offered"
