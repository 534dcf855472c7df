"""What a newer phone encrypts under the secret of an earlier message."""

from __future__ import annotations

from typing import Any

from rookery_simulator.whatsapp import Phone
from rookery_simulator.whatsapp.phone import outgoing
from rookery_simulator.whatsapp.phone.records import SentMessage
from rookery_simulator.whatsapp.stanza import protobufs

EVENT_EDIT, MESSAGE_EDIT, POLL_EDIT = 1, 2, 4


def edited(original: SentMessage, author: Phone, **content: Any) -> Any:
    """The message that a phone encrypts for an edit."""
    schema = protobufs.messages()
    message = schema.Message()
    protocol = message.protocolMessage
    protocol.type = schema.ProtocolMessage.MESSAGE_EDIT
    outgoing.set_key(protocol.key, author.lid, original.id, True, None)
    for path, value in content.items():
        *parts, name = path.split("__")
        target = protocol.editedMessage
        for part in parts:
            target = getattr(target, part)
        setattr(target, name, value)
    return message


def sealed(original: SentMessage, author: Phone, content: Any, use: str, kind: int, part: str) -> outgoing.Draft:
    secret = original.draft.message.messageContextInfo.messageSecret
    return outgoing.encrypted(
        part,
        content,
        use,
        original=(original.id, secret),
        chat=author.lid,
        author=author.lid,
        editor=author.lid,
        kind=kind,
    )
