"""Groups: who is in them, and the queries about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..stanza.jid import GROUP_SERVER, GROUPS, Jid
from ..stanza.node import Attrs, Node, node

if TYPE_CHECKING:
    from ..phone.phone import Phone
    from .connection import ClientConnection
    from .linked_device import LinkedDevice
    from .world import World

NOT_FOUND = 404


@dataclass
class Group:
    """The first member made the group and is its only admin."""

    jid: Jid
    subject: str
    created: int  # seconds since 1970
    members: list[Phone] = field(default_factory=list)

    def describe(self) -> Node:
        """The group as WhatsApp describes it, its members under their hidden addresses."""
        owner = self.members[0]
        attrs: Attrs = {
            "id": self.jid.user,
            "subject": self.subject,
            "creation": self.created,
            "creator": owner.lid,
            "creator_pn": owner.jid,
            "s_t": self.created,
            "s_o": owner.lid,
            "size": len(self.members),
            "addressing_mode": "lid",
        }
        members = [
            node(
                "participant",
                {"jid": member.lid, "phone_number": member.jid, "type": "superadmin" if member is owner else None},
            )
            for member in self.members
        ]
        return node("group", attrs, members)


def create(world: World, subject: str, members: list[Phone]) -> Group:
    """Make a group; the members' devices are told when they are connected."""
    jid = Jid(f"12036{len(world.groups):010d}", GROUP_SERVER)
    group = world.groups[jid] = Group(jid, subject, world.now(), members)
    for member in members:
        for device in member.devices.values():
            attrs: Attrs = {
                "from": jid,
                "type": "w:gp2",
                "id": world.new_id(),
                "t": world.now(),
                "participant": members[0].lid,
            }
            device.tell(node("notification", attrs, [node("create", {"type": "new"}, [group.describe()])]))
    return group


def on_query(world: World, connection: ClientConnection, device: LinkedDevice, query: Node) -> None:
    """One group, or all groups of the asking device."""
    to = query.jid("to")
    if to == GROUPS and query.child("participating") is not None:
        own = [group.describe() for group in world.groups.values() if device.phone in group.members]
        connection.answer(query, [node("groups", {}, own)])
        return
    group = world.groups.get(to) if to else None
    if group is None or device.phone not in group.members:
        connection.refuse(query, NOT_FOUND, "item-not-found")
    else:
        connection.answer(query, [group.describe()])
