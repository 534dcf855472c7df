"""The crypto work of a scripted phone: encrypting for devices, decrypting from them, receipts both ways."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..crypto.ratchet import UndecryptableMessage
from ..feed import LIMIT
from ..server.bundles import bundle_nodes
from ..server.envelope import envelope
from ..server.state.accounts import Account, LinkedDevice
from ..server.state.group import Group
from ..server.state.world import World
from ..stanza import protobufs
from ..stanza.jid import STATUS, Jid
from ..stanza.node import Attrs, Node, node
from .correspondent import Correspondent, correspondent
from .outgoing import Draft
from .records import Receipt, ReceivedMessage, SentMessage

RETRY_LIMIT = 5  # a phone sends one message again at most this many times


def send(phone: Correspondent, to: Account | Group, draft: Draft) -> SentMessage:
    """Send `draft` as `phone` to one account or to a group."""
    address = to.jid if isinstance(to, Group) else to.lid
    sent = _new_message(phone, address, draft)
    accounts = [member for member in to.members if member is not phone] if isinstance(to, Group) else [to]
    for account in accounts:
        _hand_over(phone, account, sent)
    if isinstance(to, Group):
        # The key in its state before this message: a member that gets a later state cannot read the message.
        sent.group_key = phone.signal.our_sender_key(to.jid).distribution()
        sent.group_ciphertext = phone.signal.encrypt_for_group(to.jid, draft.message.SerializeToString())
    for account in dict.fromkeys([*accounts, phone]):
        for device in account.devices.values():
            _encrypt_and_deliver(phone, device, sent)
    return sent


def post_status(phone: Correspondent, viewers: list[Account], draft: Draft) -> SentMessage:
    """Send `draft` as a status of `phone`: as to a group, whose members are those who may see it."""
    return send(phone, Group(STATUS, "", phone.world.now(), [phone, *viewers]), draft)


def _is_shared(world: World, chat: Jid) -> bool:
    """Whether messages to `chat` are encrypted once for all recipients."""
    return chat in world.groups or chat == STATUS


def _new_message(phone: Correspondent, to: Jid, draft: Draft) -> SentMessage:
    sent = SentMessage("3A" + phone.world.new_id(), to, draft)
    phone.sent[sent.id] = sent
    if len(phone.sent) > LIMIT:
        del phone.sent[next(iter(phone.sent))]
    return sent


def _hand_over(phone: Correspondent, account: Account, sent: SentMessage) -> None:
    """Deliver from scripted phone to scripted phone, which needs no encryption."""
    world = phone.world
    chat = sent.to if _is_shared(world, sent.to) else phone.lid
    message = ReceivedMessage(sent.id, phone.lid, phone.number, chat, sent.draft.kind, sent.draft.message, world.now())
    correspondent(account).received.add(message)
    # The receipts of linked devices are what a sender waits for; the phone's own would always be there first.
    if world.settings.delivery_receipts and not account.devices:
        sent.receipts.add(Receipt("", account.lid, world.now()))


def _encrypt_and_deliver(phone: Correspondent, device: LinkedDevice, sent: SentMessage, retry: int = 0) -> None:
    if _is_shared(phone.world, sent.to):
        encrypted = _for_group_member(phone, device, sent, retry)
    else:
        is_copy = device.phone is phone and not sent.is_peer_message
        message = _copy_for_own(sent) if is_copy else sent.draft.message
        encrypted = [_encrypt(phone, device, message, sent.draft, retry)]
    stanza = envelope(phone.world, phone, 0, device, sent.id, sent.to, sent.draft.kind, sent.draft.edit, encrypted)
    if sent.is_peer_message:
        stanza.attrs["category"] = "peer"
    device.deliver(stanza)


def _encrypt(phone: Correspondent, device: LinkedDevice, message: Any, draft: Draft, retry: int = 0) -> Node:
    kind, data = phone.signal.encrypt(device.lid, device.take_bundle, message.SerializeToString())
    hidden = "hide" if draft.edit or draft.kind == "reaction" else None
    attrs: Attrs = {"v": 2, "type": kind, "mediatype": draft.media, "decrypt-fail": hidden, "count": retry or None}
    return node("enc", attrs, data)


def _for_group_member(phone: Correspondent, device: LinkedDevice, sent: SentMessage, retry: int) -> list[Node]:
    """The sender key for a device that does not have it yet, then the message under that key."""
    announcement = protobufs.messages().Message()
    announcement.senderKeyDistributionMessage.groupID = str(sent.to)
    announcement.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = sent.group_key
    if retry:
        announcement.MergeFrom(sent.draft.message)
        return [_encrypt(phone, device, announcement, sent.draft, retry)]
    members = phone.members_with_key.setdefault(sent.to, set())
    attrs: Attrs = {"v": 2, "type": "skmsg", "mediatype": sent.draft.media}
    encrypted = [node("enc", attrs, sent.group_ciphertext)]
    if device.lid not in members:
        members.add(device.lid)
        encrypted.insert(0, _encrypt(phone, device, announcement, Draft(announcement)))
    return encrypted


def _copy_for_own(sent: SentMessage) -> Any:
    message = protobufs.messages().Message()
    message.deviceSentMessage.destinationJID = str(sent.to)
    message.deviceSentMessage.message.CopyFrom(sent.draft.message)
    return message


def send_to_own_device(phone: Correspondent, device: LinkedDevice, message: Any) -> None:
    """A message from the phone itself to its device, not part of any chat."""
    sent = _new_message(phone, phone.lid, Draft(message))
    sent.is_peer_message = True
    _encrypt_and_deliver(phone, device, sent)


def receive(phone: Correspondent, device: LinkedDevice, stanza: Node, group: Jid | None, encrypted: list[Node]) -> None:
    """`phone` gets the message `stanza` of a linked device; `encrypted` are the parts meant for it."""
    schema = protobufs.messages()
    world, sender = phone.world, device.lid
    if (sender, stanza.get("id")) in phone.seen:
        encrypted = []  # a repetition after a lost connection, under used keys: only the receipt is missing
    for part in encrypted:
        try:
            if part.get("type") == "skmsg":
                assert group is not None
                plaintext = phone.signal.decrypt_from_group(group, sender, part.data)
            else:
                plaintext = phone.signal.decrypt(sender, part.get("type"), part.data)
        except UndecryptableMessage:
            _ask_again(phone, device, stanza, group)
            return
        message = schema.Message.FromString(plaintext)
        announcement = message.senderKeyDistributionMessage
        if announcement.axolotlSenderKeyDistributionMessage and group is not None:
            phone.signal.learn_sender_key(group, sender, announcement.axolotlSenderKeyDistributionMessage)
            if part is not encrypted[-1]:
                continue
        _record(phone, device, stanza, group, message)
    phone.remember(sender, stanza.get("id"))
    if world.settings.delivery_receipts:
        receipt = _receipt(phone, stanza.get("id"), group, "sender" if device.phone is phone else None)
        device.tell(receipt)


def _record(phone: Correspondent, device: LinkedDevice, stanza: Node, group: Jid | None, message: Any) -> None:
    feed, chat = phone.received, group or device.lid.bare
    if stanza.get("category") == "peer":
        feed = phone.peer_messages
    elif message.HasField("deviceSentMessage"):
        feed, chat = phone.sent_by_devices, Jid.parse(message.deviceSentMessage.destinationJID)
        message = message.deviceSentMessage.message
    at = phone.world.now()
    feed.add(
        ReceivedMessage(
            stanza.get("id"), device.lid, device.phone.number, chat, stanza.get("type"), message, at, stanza
        )
    )


def _receipt(
    phone: Correspondent, message_id: str, group: Jid | None, kind: str | None, content: list[Node] | None = None
) -> Node:
    attrs: Attrs = {"id": message_id, "from": group or phone.lid, "type": kind, "t": phone.world.now()}
    if group is not None:
        attrs["participant"] = phone.lid
    return node("receipt", attrs, content)


def send_receipt(phone: Correspondent, message: ReceivedMessage, kind: str) -> None:
    """Confirm `message` to the account that sent it."""
    group = message.chat if _is_shared(phone.world, message.chat) else None
    account = correspondent(phone.world.phones[message.number])
    for device in account.devices.values():
        device.tell(_receipt(phone, message.id, group, kind))
    sent = account.sent.get(message.id)
    if sent is not None:
        sent.receipts.add(Receipt(kind, phone.lid, phone.world.now()))


def _ask_again(phone: Correspondent, device: LinkedDevice, stanza: Node, group: Jid | None) -> None:
    """Request a message again that no session decrypts, with keys for a new session."""
    phone.signal.forget(device.lid)
    message_id, bundle = stanza.get("id"), bundle_nodes(phone.signal.bundle())
    retry = node("retry", {"count": 1, "id": message_id, "t": phone.world.now(), "v": 1})
    registration, *keys = bundle
    device.tell(_receipt(phone, message_id, group, "retry", [retry, registration, node("keys", {}, keys)]))


def on_receipt(phone: Correspondent, device: LinkedDevice, stanza: Node) -> None:
    """A device confirms messages that `phone` sent, or asks for one again."""
    phone.receipts.add(stanza)
    kind = stanza.get("type")
    listed = stanza.child("list")
    for message_id in [stanza.get("id"), *(item.get("id") for item in (listed.children if listed else []))]:
        sent = phone.sent.get(message_id)
        if sent is None:
            continue
        sent.receipts.add(Receipt(kind, device.lid, phone.world.now()))
        retry = stanza.child("retry")
        if kind == "retry" and retry is not None and int(retry.get("count", "1")) <= RETRY_LIMIT:
            again = partial(_send_again, phone, device, sent, int(retry.get("count", "1")))
            phone.world.agenda.add((phone.world.settings.retry_delay, again))


def _send_again(phone: Correspondent, device: LinkedDevice, sent: SentMessage, count: int) -> None:
    phone.signal.forget(device.lid)
    _encrypt_and_deliver(phone, device, sent, count)
