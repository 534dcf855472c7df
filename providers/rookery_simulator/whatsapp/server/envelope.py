"""The stanza in which the server delivers a message to a device."""

from __future__ import annotations

from ..stanza.jid import STATUS, Jid
from ..stanza.node import Attrs, Node, node
from .state.accounts import Account, LinkedDevice
from .state.world import World


def envelope(
    world: World,
    sender: Account,
    sender_device: int,
    recipient: LinkedDevice,
    message_id: str,
    to: Jid,
    kind: str,
    edit: str | None,
    content: list[Node],
) -> Node:
    """The `<message>` for a device; `to` is the chat as the sender sees it."""
    hidden, public = sender.lid.with_device(sender_device), sender.jid.with_device(sender_device)
    attrs: Attrs = {"id": message_id, "type": kind, "t": world.now(), "notify": sender.name, "edit": edit}
    if to in world.groups or to == STATUS:
        attrs |= {"from": to, "participant": hidden, "participant_pn": sender.jid, "addressing_mode": "lid"}
    elif recipient.phone is sender:
        other = world.phone_at(to)
        attrs |= {"from": hidden, "recipient": to.bare, "peer_recipient_pn": other.jid if other else None}
    elif world.settings.addressing == "lid":
        attrs |= {"from": hidden, "sender_pn": sender.jid}
    elif world.settings.addressing == "hidden":
        attrs |= {"from": hidden}
    else:
        attrs |= {"from": public, "sender_lid": sender.lid}
    return node("message", attrs, content)
