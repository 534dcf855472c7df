"""Messages as users write them, ready to be encrypted."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..crypto.ratchet import derive
from ..server.media import EncryptedFile
from ..stanza import protobufs
from ..stanza.jid import Jid

EDIT = "1"  # values of a stanza's attribute `edit`
SENDER_REVOKE = "7"


@dataclass(frozen=True)
class Draft:
    """A `Message`, and the unencrypted attributes of its stanza."""

    message: Any
    kind: str = "text"
    media: str | None = None
    edit: str | None = None


def text(body: str) -> Draft:
    return Draft(protobufs.messages().Message(conversation=body))


def with_secret(draft: Draft) -> Draft:
    """The same draft with a secret, under which newer phones encrypt edits, reactions and comments."""
    draft.message.messageContextInfo.messageSecret = os.urandom(32)
    return draft


def encrypted(
    part: str,
    content: Any,
    use: str,
    *,
    original: tuple[str, bytes],
    chat: Jid,
    author: Jid,
    editor: Jid,
    kind: int = 0,
) -> Draft:
    """`content` in the field `part` of a message, under the secret of `original` (its id and its secret).

    Source: tulir/whatsmeow `msgsecret.go`. `use` is a name such as "Message Edit"; `kind` goes to `secretEncType`.
    """
    id, secret = original
    message = protobufs.messages().Message()
    sealed = getattr(message, part)
    key = "eventCreationMessageKey" if part == "encEventResponseMessage" else "targetMessageKey"
    set_key(getattr(sealed, key), chat, id, author == editor, None)
    info = f"{id}{author.bare}{editor.bare}{use}".encode()
    extra = f"{id}\0{editor.bare}".encode() if use == "Event Response" else None
    cipher = AESGCM(derive(secret, info, 32))
    sealed.encIV = os.urandom(12)
    sealed.encPayload = cipher.encrypt(sealed.encIV, content.SerializeToString(), extra)
    if part == "secretEncryptedMessage":
        sealed.secretEncType = kind
    return Draft(message, edit=EDIT if kind else None)


def reply(body: str, *, quoted_id: str, quoted_sender: Jid, quoted: Any) -> Draft:
    message = protobufs.messages().Message()
    message.extendedTextMessage.text = body
    context = message.extendedTextMessage.contextInfo
    context.stanzaID = quoted_id
    context.participant = str(quoted_sender.bare)
    context.quotedMessage.CopyFrom(quoted)
    return Draft(message)


def reaction(emoji: str, *, chat: Jid, message_id: str, from_me: bool, participant: Jid | None = None) -> Draft:
    """A reaction; an empty `emoji` removes it."""
    message = protobufs.messages().Message()
    set_key(message.reactionMessage.key, chat, message_id, from_me, participant)
    message.reactionMessage.text = emoji
    message.reactionMessage.senderTimestampMS = int(time.time() * 1000)
    return Draft(message, "reaction", edit=None if emoji else SENDER_REVOKE)


def location(latitude: float, longitude: float, name: str = "") -> Draft:
    message = protobufs.messages().Message()
    message.locationMessage.degreesLatitude = latitude
    message.locationMessage.degreesLongitude = longitude
    message.locationMessage.name = name
    return Draft(message)


def contact(name: str, number: str) -> Draft:
    vcard = f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"
    message = protobufs.messages().Message()
    message.contactMessage.displayName = name
    message.contactMessage.vcard = vcard
    return Draft(message, "media", "vcard")


def poll(question: str, options: list[str]) -> Draft:
    message = protobufs.messages().Message()
    message.pollCreationMessageV3.name = question
    message.pollCreationMessageV3.selectableOptionsCount = 1
    for option in options:
        message.pollCreationMessageV3.options.add(optionName=option)
    message.messageContextInfo.messageSecret = os.urandom(32)
    return Draft(message, "poll")


def edit(body: str, *, chat: Jid, message_id: str) -> Draft:
    schema = protobufs.messages()
    message = schema.Message()
    protocol = message.editedMessage.message.protocolMessage
    protocol.type = schema.ProtocolMessage.MESSAGE_EDIT
    set_key(protocol.key, chat, message_id, True, None)
    protocol.editedMessage.conversation = body
    protocol.timestampMS = int(time.time() * 1000)
    return Draft(message, edit=EDIT)


def revoke(*, chat: Jid, message_id: str) -> Draft:
    schema = protobufs.messages()
    message = schema.Message()
    message.protocolMessage.type = schema.ProtocolMessage.REVOKE
    set_key(message.protocolMessage.key, chat, message_id, True, None)
    return Draft(message, edit=SENDER_REVOKE)


def media(kind: str, file: EncryptedFile, *, mimetype: str, caption: str = "", name: str = "") -> Draft:
    """A picture, video, sound or document; `kind` is image, video, audio or document."""
    message = protobufs.messages().Message()
    part = getattr(message, f"{kind}Message")
    part.URL = file.url
    part.directPath = file.direct_path
    part.mimetype = mimetype
    part.mediaKey = file.media_key
    part.fileSHA256 = file.plain_hash
    part.fileEncSHA256 = file.cipher_hash
    part.fileLength = file.length
    part.mediaKeyTimestamp = int(time.time())
    if caption:
        part.caption = caption
    if name:
        part.fileName = name
    return Draft(message, "media", kind)


def set_key(key: Any, chat: Jid, message_id: str, from_me: bool, participant: Jid | None) -> None:
    """Name a message: `chat` as the writer sees it, `participant` its author in a group."""
    key.remoteJID = str(chat.bare)
    key.fromMe = from_me
    key.ID = message_id
    if participant is not None:
        key.participant = str(participant.bare)
