"""A group: its members, who may change it, and the notifications that its members get."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ...stanza.jid import Jid
from ...stanza.node import Attrs, Node, node
from .accounts import Account


@dataclass
class Group:
    """A group. Its first member created it and is the owner."""

    jid: Jid
    subject: str
    created: int  # seconds since 1970
    members: list[Account] = field(default_factory=list)
    admins: set[str] = field(default_factory=set)  # numbers
    description: str = ""
    description_id: str = ""
    flags: set[str] = field(default_factory=set)  # announcement, locked
    expiration: int = 0  # seconds
    invite: str = field(default_factory=lambda: secrets.token_hex(11))
    requests: list[Account] = field(default_factory=list)  # people who have asked to join
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

    def _participant(self, member: Account) -> Attrs:
        kind = "superadmin" if member is self.members[0] else "admin" if member.number in self.admins else None
        return {"jid": member.lid, "phone_number": member.jid, "type": kind}

    def is_admin(self, phone: Account) -> bool:
        """True if the account may change the group."""
        return bool(self.members) and (phone is self.members[0] or phone.number in self.admins)

    def tell(self, actor: Account, content: Node) -> None:
        """Notify the devices of all members, and the actor's, of a change."""
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
