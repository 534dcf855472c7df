"""The acts of the control API: messages that a phone writes, and events that happen to linked devices."""

from __future__ import annotations

import msgspec

from . import bodies
from .phone import outgoing
from .phone.phone import Phone
from .phone.polls import POLL_FIELDS
from .phone.records import ReceivedMessage, SentMessage
from .server.state.accounts import LinkedDevice
from .server.state.group import Group
from .simulator import WhatsAppSimulator
from .stanza.jid import Jid


def write(simulator: WhatsAppSimulator, phone: Phone, message: bodies.Message) -> SentMessage:
    """Let the phone write a message. Raises LookupError for an unknown group or message, ValueError for an impossible one."""
    match message:
        case bodies.Status():
            return phone.post_status(message.text, *[simulator.phone(each) for each in dict.fromkeys(message.viewers)])
        case bodies.Reply():
            return phone.reply(received(phone, message.message_id), message.text)
        case bodies.Reaction():
            return phone.react(received(phone, message.message_id), message.emoji)
        case bodies.Vote():
            return phone.vote(_poll(phone, message), *message.options)
        case bodies.Edit():
            return phone.edit(sent(phone, message.message_id), message.text)
        case bodies.Revoke():
            return phone.revoke(sent(phone, message.message_id))
    to = _place(simulator, phone, message.to)
    match message:
        case bodies.Text():
            return phone.send_text(to, message.text)
        case bodies.Media(data=data, kind=kind, mimetype=mimetype, caption=caption, name=name):
            return phone.send_media(to, data, kind=kind, mimetype=mimetype, caption=caption, name=name)
        case bodies.Location():
            return phone.send(to, outgoing.location(message.latitude, message.longitude, message.name))
        case bodies.Contact():
            return phone.send(to, outgoing.contact(message.name, message.number))
        case bodies.Poll():
            return phone.send(to, outgoing.poll(message.question, message.options))


def phone_of(simulator: WhatsAppSimulator, number: str) -> Phone:
    """The phone with this number. Raises ValueError for an invalid number."""
    try:
        return simulator.phone(msgspec.convert(number, bodies.Number))
    except msgspec.ValidationError:
        raise ValueError(f"a phone number is 5 to 15 digits, country code first: {number[:40]!r}") from None


def received(phone: Phone, id: str) -> ReceivedMessage:
    """A message that the phone received; raises LookupError."""
    for each in phone.received:
        if each.id == id:
            return each
    raise LookupError(f"message_id: {phone.number} received no message {id!r}")


def sent(phone: Phone, id: str) -> SentMessage:
    """A message that the phone wrote; raises LookupError."""
    if id not in phone.sent:
        raise LookupError(f"message_id: {phone.number} wrote no message {id!r}")
    return phone.sent[id]


def _poll(phone: Phone, vote: bodies.Vote) -> ReceivedMessage:
    poll = received(phone, vote.message_id)
    options = [each.optionName for field in POLL_FIELDS for each in getattr(poll.message, field).options]
    if not options:
        raise ValueError(f"message_id: {vote.message_id!r} is not a poll")
    for each in vote.options:
        if each not in options:
            raise ValueError(f"options: {each!r} is not one of the poll's options: {', '.join(options)}")
    return poll


def _place(simulator: WhatsAppSimulator, phone: Phone, to: str) -> Phone | Group:
    if "@" not in to:
        return phone_of(simulator, to)
    group = simulator.world.groups.get(Jid.parse(to))
    if group is None:
        raise LookupError(f"to: there is no group {to!r}")
    if phone not in group.members:
        raise ValueError(f"to: {phone.number} is not a member of {to}")
    return group


def happen(device: LinkedDevice, what: bodies.Happening) -> None:
    """Make something happen to a linked device."""
    match what:
        case bodies.Drop():
            device.drop()
        case bodies.Silence():
            device.silence()
        case bodies.Speak():
            device.silence(False)
        case bodies.Slow():
            device.slow(what.seconds)
        case bodies.Remove():
            device.remove()
        case bodies.Replace():
            device.replace()
        case bodies.Ban():
            device.ban(seconds=what.seconds)
        case bodies.Refuse():
            device.refuse(what.reason)
        case bodies.Admit():
            device.admit()
        case bodies.StreamError():
            device.stream_error(what.code)
        case bodies.SendError():
            device.send_error = what.code
