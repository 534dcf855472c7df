"""Groups: who is in them, what may be done in them, and the queries and notices about them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..stanza.jid import GROUP_SERVER, GROUPS, Jid
from ..stanza.node import Attrs, Node, node

if TYPE_CHECKING:
    from ..phone.phone import Phone
    from .connection import ClientConnection
    from .linked_device import LinkedDevice
    from .world import World

NOT_FOUND, FORBIDDEN, GONE = 404, 403, 410
FLAGS = {"announcement": "announcement", "not_announcement": "announcement", "locked": "locked", "unlocked": "locked"}


@dataclass
class Group:
    """The first member made the group and is its owner."""

    jid: Jid
    subject: str
    created: int  # seconds since 1970
    members: list[Phone] = field(default_factory=list)
    admins: set[str] = field(default_factory=set)  # numbers
    description: str = ""
    description_id: str = ""
    flags: set[str] = field(default_factory=set)  # announcement, locked
    expiration: int = 0  # seconds
    invite: str = field(default_factory=lambda: secrets.token_hex(11))
    requests: list[Phone] = field(default_factory=list)  # people who want to get in
    picture: bytes = b""
    community: bool = False
    parent: Jid | None = None

    def describe(self) -> Node:
        """The group as WhatsApp describes it, its members under their hidden addresses."""
        attrs: Attrs = {
            "id": self.jid.user,
            "subject": self.subject,
            "creation": self.created,
            "s_t": self.created,
            "size": len(self.members),
            "addressing_mode": "lid",
        }
        if self.members:
            owner = self.members[0]
            attrs |= {"creator": owner.lid, "creator_pn": owner.jid, "s_o": owner.lid}
        content = [node("participant", self._participant(member)) for member in self.members]
        if self.description:
            content.append(
                node(
                    "description", {"id": self.description_id, "t": self.created}, [node("body", {}, self.description)]
                )
            )
        content += [node(flag) for flag in sorted(self.flags)]
        if self.expiration:
            content.append(node("ephemeral", {"expiration": self.expiration}))
        if self.community:
            content.append(node("parent", {"default_membership_approval_mode": "request_required"}))
        if self.parent is not None:
            content.append(node("linked_parent", {"jid": self.parent}))
        return node("group", attrs, content)

    def _participant(self, member: Phone) -> Attrs:
        kind = "superadmin" if member is self.members[0] else "admin" if member.number in self.admins else None
        return {"jid": member.lid, "phone_number": member.jid, "type": kind}

    def is_admin(self, phone: Phone) -> bool:
        """May change the group."""
        return bool(self.members) and (phone is self.members[0] or phone.number in self.admins)

    def tell(self, actor: Phone, content: Node) -> None:
        """Tell the devices of all members, and the actor's, what has changed."""
        if not self.members and actor is None:
            return
        world = actor.world
        attrs: Attrs = {
            "from": self.jid,
            "type": "w:gp2",
            "id": world.new_id(),
            "t": world.now(),
            "participant": actor.lid,
            "participant_pn": actor.jid,
            "notify": actor.name,
        }
        for member in dict.fromkeys([*self.members, actor]):
            for device in member.devices.values():
                device.tell(node("notification", attrs, [content]))


def create(world: World, subject: str, members: list[Phone]) -> Group:
    """Make a group; the server notifies the members' connected devices."""
    jid = Jid(f"12036{len(world.groups):010d}", GROUP_SERVER)
    group = world.groups[jid] = Group(jid, subject, world.now(), members)
    group.tell(members[0], node("create", {"type": "new"}, [group.describe()]))
    return group


def on_query(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """A question about groups, or a change of one."""
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


def _on_invite(world: World, connection: ClientConnection, phone: Phone, query: Node, code: str) -> None:
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


def _change(world: World, connection: ClientConnection, phone: Phone, group: Group, query: Node) -> None:
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


def _change_members(world: World, actor: Phone, group: Group, asked: Node) -> Node:
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
