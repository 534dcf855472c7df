"""Queries about groups, and changes of them."""

from __future__ import annotations

import secrets

from ..stanza.jid import GROUP_SERVER, GROUPS, Jid
from ..stanza.node import Node, node
from .connection import ClientConnection
from .state.accounts import Account, LinkedDevice
from .state.group import Group
from .state.world import World

NOT_FOUND, FORBIDDEN, GONE = 404, 403, 410
FLAGS = {"announcement": "announcement", "not_announcement": "announcement", "locked": "locked", "unlocked": "locked"}


def create(world: World, subject: str, members: list[Account]) -> Group:
    """Create a group; the server notifies the members' connected devices."""
    jid = Jid(f"12036{len(world.groups):010d}", GROUP_SERVER)
    group = world.groups[jid] = Group(jid, subject, world.now(), members)
    group.tell(members[0], node("create", {"type": "new"}, [group.describe()]))
    return group


def on_query(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Answer a query about groups, or change one."""
    to = query.jid("to")
    if to == GROUPS or to is None:
        _on_all(world, connection, device, query)
        return
    group = world.groups.get(to)
    if group is None or device.phone not in group.members:
        connection.refuse(query, NOT_FOUND, "item-not-found")
    elif query.get("type") == "set":
        _change(world, connection, device.phone, group, query)
    elif query.child("invite") is not None:
        connection.answer(query, [node("invite", {"code": group.invite})])
    elif query.child("membership_approval_requests") is not None:
        waiting = [
            node("membership_approval_request", {"jid": each.lid, "request_time": world.now()})
            for each in group.requests
        ]
        connection.answer(query, [node("membership_approval_requests", {}, waiting)])
    else:
        connection.answer(query, [group.describe()])


def _on_all(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """Handle queries other than those about one group of the asking device."""
    phone = device.phone
    if query.child("participating") is not None:
        own = [group.describe() for group in world.groups.values() if phone in group.members]
        connection.answer(query, [node("groups", {}, own)])
    elif (made := query.child("create")) is not None:
        addresses = [each.jid("jid") for each in made.children if each.tag == "participant"]
        found = [world.phone_at(address) for address in addresses if address is not None]
        members = [phone, *(each for each in found if each is not None and each is not phone)]
        group = create(world, made.get("subject"), members)
        group.community = made.child("parent") is not None
        parent = made.child("linked_parent")
        group.parent = parent.jid("jid") if parent is not None else None
        connection.answer(query, [group.describe()])
    elif (left := query.child("leave")) is not None:
        for each in left.children:
            address = each.jid("id")
            group_left = world.groups.get(address) if address else None
            if group_left is not None and phone in group_left.members:
                group_left.tell(phone, node("remove", {}, [node("participant", {"jid": phone.lid})]))
                group_left.members.remove(phone)
        connection.answer(query, [node("leave", {}, left.children)])
    elif (invited := query.child("invite")) is not None:
        _on_invite(world, connection, phone, query, invited.get("code"))
    else:
        connection.refuse(query, NOT_FOUND, "item-not-found")


def _on_invite(world: World, connection: ClientConnection, phone: Account, query: Node, code: str) -> None:
    group = next((each for each in world.groups.values() if each.invite == code), None)
    if group is None:
        connection.refuse(query, GONE, "gone")
    elif query.get("type") == "get":
        connection.answer(query, [group.describe()])
    else:
        if phone not in group.members:
            group.members.append(phone)
            joined = node("add", {"reason": "invite"}, [node("participant", {"jid": phone.lid})])
            group.tell(phone, joined)
        connection.answer(query, [node("group", {"jid": group.jid})])


def _change(world: World, connection: ClientConnection, phone: Account, group: Group, query: Node) -> None:
    if not group.is_admin(phone):
        connection.refuse(query, FORBIDDEN, "forbidden")
        return
    asked = query.children[0]
    if asked.tag in ("add", "remove", "promote", "demote"):
        connection.answer(query, [_change_members(world, phone, group, asked)])
        return
    if asked.tag == "invite":
        group.invite = secrets.token_hex(11)
        connection.answer(query, [node("invite", {"code": group.invite})])
        return
    told = asked
    if asked.tag == "subject":
        group.subject = asked.data.decode()
        told = node("subject", {"subject": group.subject, "s_t": world.now(), "s_o": phone.lid})
    elif asked.tag == "description":
        body = asked.child("body")
        group.description, group.description_id = body.data.decode() if body else "", asked.get("id")
    elif asked.tag in FLAGS:
        flag = FLAGS[asked.tag]
        (group.flags.add if asked.tag == flag else group.flags.discard)(flag)
        told = node(asked.tag, {"v_id": world.new_id()})
    elif asked.tag in ("ephemeral", "not_ephemeral"):
        group.expiration = int(asked.get("expiration", "0"))
    connection.answer(query)
    group.tell(phone, told)


def _change_members(world: World, actor: Account, group: Group, asked: Node) -> Node:
    """The same element with an error for each participant that could not be changed."""
    answers, changed = [], []
    for each in asked.children:
        address = each.jid("jid")
        member = world.phone_at(address) if address else None
        if member is None or (asked.tag != "add" and member not in group.members):
            answers.append(node("participant", {"jid": address, "error": NOT_FOUND}))
            continue
        if asked.tag == "add" and member not in group.members:
            group.members.append(member)
        elif asked.tag == "promote":
            group.admins.add(member.number)
        elif asked.tag in ("demote", "remove"):
            group.admins.discard(member.number)
        changed.append(node("participant", {"jid": member.lid, "phone_number": member.jid}))
        answers.append(node("participant", {"jid": address}))
    if changed:
        group.tell(actor, node(asked.tag, {}, changed))
    if asked.tag == "remove":
        gone = {answer.get("jid") for answer in changed}
        group.members[:] = [member for member in group.members if str(member.lid) not in gone]
    return node(asked.tag, {}, answers)
