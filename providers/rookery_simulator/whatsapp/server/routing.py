"""Stanzas of linked devices on their way to others: messages, receipts, signs of life."""

from __future__ import annotations

from ..stanza.jid import STATUS, Jid
from ..stanza.node import Attrs, Node, node
from .envelope import envelope
from .state.accounts import LinkedDevice
from .state.world import World


def handle(world: World, device: LinkedDevice, stanza: Node) -> None:
    """Act on anything but a query from a device that is logged in."""
    if stanza.tag == "message":
        _accept_message(world, device, stanza)
    elif stanza.tag == "receipt":
        _accept_receipt(world, device, stanza)
    elif stanza.tag == "ack" and stanza.get("class") == "message":
        device.confirmed(stanza.get("id"))
    elif stanza.tag == "presence":
        device.presences.add(stanza)
    elif stanza.tag == "call":
        to = stanza.jid("to")
        called = world.phone_at(to) if to else None
        if called is not None:
            called.calls.add(stanza)
    elif stanza.tag == "chatstate":
        _pass_chat_state(world, device, stanza)


def _accept_message(world: World, device: LinkedDevice, stanza: Node) -> None:
    to = stanza.jid("to")
    assert to is not None
    error = device.next_send_errors.popleft() if device.next_send_errors else device.send_error
    if to in world.channels:
        world.channels[to].posts.add(stanza)
    elif error is None or stanza.get("category") == "peer":
        _distribute(world, device, stanza, to)
    attrs: Attrs = {
        "class": "message",
        "id": stanza.get("id"),
        "from": to,
        "t": world.now() if world.settings.ack_times else None,
        "error": error,
    }
    if not device.hold_acks:
        device.acknowledge(node("ack", attrs))


def _distribute(world: World, device: LinkedDevice, stanza: Node, to: Jid) -> None:
    group = to if to in world.groups or to == STATUS else None
    shared = [child for child in stanza.children if child.tag == "enc"]
    parts: dict[Jid, list[Node]] = {}
    if (participants := stanza.child("participants")) is not None:
        for target in participants.children:
            address = target.jid("jid")
            assert address is not None
            parts[_hidden(world, address)] = [child for child in target.children if child.tag == "enc"]
    if group == STATUS:  # its audience is whoever gets the key
        for encrypted in parts.values():
            encrypted.extend(shared)
    elif group is not None and shared:
        for member in world.groups[group].members:
            for number in [0, *member.devices]:
                parts.setdefault(member.lid.with_device(number), []).extend(shared)
    elif shared:
        # A message for one device: the answer to a request to send again, or for the own phone.
        parts[_hidden(world, stanza.jid("participant") or to)] = shared
    parts.pop(device.lid, None)
    identity = [child for child in stanza.children if child.tag == "device-identity"]
    for address, encrypted in parts.items():
        _give(world, device, stanza, group or to, address, encrypted, identity)


def _give(
    world: World,
    device: LinkedDevice,
    stanza: Node,
    to: Jid,
    address: Jid,
    encrypted: list[Node],
    identity: list[Node],
) -> None:
    phone = world.phone_at(address)
    if phone is None:
        return
    if address.device == 0:
        phone.receive(device, stanza, to if to in world.groups or to == STATUS else None, encrypted)
        return
    recipient = phone.devices.get(address.device)
    if recipient is not None:
        kind, edit = stanza.get("type"), stanza.get("edit") or None
        content = [*encrypted, *identity]
        recipient.deliver(
            envelope(world, device.phone, device.number, recipient, stanza.get("id"), to, kind, edit, content)
        )


def _hidden(world: World, address: Jid) -> Jid:
    """The hidden form of an address; an unknown address stays as it is."""
    phone = world.phone_at(address)
    return phone.lid.with_device(address.device) if phone else address


def _accept_receipt(world: World, device: LinkedDevice, stanza: Node) -> None:
    device.receipts.add(stanza)
    kind, identifier = stanza.get("type"), stanza.get("id")
    if kind != "retry":
        device.confirmed(identifier)
    attrs: Attrs = {"class": "receipt", "id": identifier, "from": stanza.attrs.get("to"), "type": kind or None}
    device.acknowledge(node("ack", attrs))
    author = stanza.jid("participant") or stanza.jid("to")
    phone = world.phone_at(author) if author else None
    if phone is None or author is None:
        return
    if author.device == 0:
        phone.on_receipt(device, stanza)
    if kind in ("", "read", "played", "retry"):
        _pass_receipt(world, device, stanza, author)


def _pass_receipt(world: World, device: LinkedDevice, stanza: Node, author: Jid) -> None:
    """Another linked device wrote the message: it gets the receipt."""
    target = world.device_at(author)
    if target is None or target is device:
        return
    to = stanza.jid("to")
    attrs: Attrs = {
        "id": stanza.get("id"),
        "from": to if to in world.groups else device.lid,
        "participant": device.lid if to in world.groups else None,
        "type": stanza.get("type") or None,
        "t": world.now(),
    }
    target.tell(node("receipt", attrs, stanza.children or None))


def _pass_chat_state(world: World, device: LinkedDevice, stanza: Node) -> None:
    to = stanza.jid("to")
    phone = world.phone_at(to) if to else None
    if phone is not None:
        phone.chat_states.add(stanza)
        for other in phone.devices.values():
            other.tell(node("chatstate", {"from": device.lid.bare}, stanza.children))
