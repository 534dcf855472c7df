"""Builds messages to send as WhatsApp's protobufs.

It does not use the library's own helpers, which look up group mentions over the network, guess file types with libmagic
and run ffmpeg without limits.
"""

from __future__ import annotations

import os
import time
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from neonize.client import NewClient
from neonize.proto import Neonize_pb2 as forms
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e

from ..addresses import parse_jid
from ..events.contents import unwrapped
from . import conversion
from .files import UPLOADS, add_file

SECRET = 32  # bytes
VIEWED_ONCE = ("image", "video", "voice")
WITH_CONTEXT = ("reply_to", "mentions", "mention_all", "forwarding_score", "expires_in", "link")
"""Arguments of a text that need the extended form."""
PINNED = 7 * 86_400  # seconds
MENTION_ALL = 1
MOST_FORWARDED = 127  # the score at which WhatsApp's own apps stop counting
OF_THE_ALBUM = ("reply_to", "quoted_sender", "quoted_text")
"""Arguments that belong to the announcement of an album, not to its files."""
SHARED = (
    *("conversation", "extendedTextMessage", "imageMessage", "videoMessage", "audioMessage", "documentMessage"),
    *("ptvMessage", "stickerMessage", "contactMessage", "contactsArrayMessage", "locationMessage"),
)
"""Parts of a message that may be forwarded."""


def build(client: NewClient, arguments: dict[str, Any]) -> Any:
    """Build the `Message` for the arguments of a send; uploads its media first."""
    content, chat = arguments["content"], arguments["to"]
    kind = content["type"]
    message = e2e.Message()
    if kind not in ("reaction", "edit", "delete"):
        # Newer phones encrypt edits, reactions and comments under this secret.
        message.messageContextInfo.messageSecret = os.urandom(SECRET)
    if kind == "text":
        return _text(message, content["text"], arguments)
    if kind in ("forward", "copy"):
        return _again(message, arguments)
    if kind in UPLOADS:
        part = add_file(client, message, kind, arguments)
    elif kind == "location":
        part = message.locationMessage
        part.degreesLatitude, part.degreesLongitude = content["latitude"], content["longitude"]
        part.name, part.address = content.get("name") or "", content.get("address") or ""
    elif kind == "contact" and arguments.get("contacts"):
        part = message.contactsArrayMessage
        cards = [content, *arguments["contacts"]]
        part.displayName = f"{len(cards)} contacts"
        for card in cards:
            part.contacts.add(displayName=card["name"], vcard=_vcard(card["name"], card["phone"]))
    elif kind == "contact":
        part = message.contactMessage
        part.displayName = content["name"]
        part.vcard = _vcard(content["name"], content["phone"])
    elif kind == "poll":
        part = message.pollCreationMessageV3
        part.name = content["question"]
        part.selectableOptionsCount = content["selectable"]
        for choice in content["choices"]:
            part.options.add(optionName=choice)
    elif kind == "reaction":
        _key(message.reactionMessage.key, chat, content["message_id"], arguments)
        message.reactionMessage.text = content["emoji"]
        message.reactionMessage.senderTimestampMS = int(time.time() * 1000)
        return message
    elif kind == "edit":
        protocol = message.editedMessage.message.protocolMessage
        protocol.type = e2e.ProtocolMessage.MESSAGE_EDIT
        _key(protocol.key, chat, content["message_id"], {"from_me": True})
        if content["text"] is not None:
            protocol.editedMessage.conversation = content["text"]
        else:
            getattr(protocol.editedMessage, f"{arguments.get('edits') or 'image'}Message").caption = content["caption"]
        protocol.timestampMS = int(time.time() * 1000)
        return message
    elif kind in ("pin", "unpin"):
        _key(message.pinInChatMessage.key, chat, content["message_id"], arguments)
        message.pinInChatMessage.type = 1 if kind == "pin" else 2
        message.pinInChatMessage.senderTimestampMS = int(time.time() * 1000)
        if kind == "pin":
            message.messageContextInfo.messageAddOnDurationInSecs = PINNED
        return message
    elif kind == "delete":
        message.protocolMessage.type = e2e.ProtocolMessage.REVOKE
        _key(message.protocolMessage.key, chat, content["message_id"], arguments)
        return message
    else:
        raise ValueError(f"WhatsApp has no message of the type {kind!r}")
    _context(part.contextInfo, arguments)
    if arguments.get("view_once") and kind in VIEWED_ONCE:
        part.viewOnce = True
        wrapped = e2e.Message()
        wrapped.viewOnceMessage.message.CopyFrom(message)
        wrapped.messageContextInfo.CopyFrom(message.messageContextInfo)
        return wrapped
    return message


def build_album(client: NewClient, arguments: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The message that announces an album, and one for each file; `join` ties those to the announcement once it is sent."""
    kept = {name: value for name, value in arguments.items() if name not in ("items", "content", *OF_THE_ALBUM)}
    parts = []
    for item in arguments["items"]:
        mine = kept if item["content"].get("caption") else {**kept, "mentions": None, "mention_all": None}
        parts.append(build(client, mine | item))
    message = e2e.Message()
    message.messageContextInfo.messageSecret = os.urandom(SECRET)
    album = message.albumMessage
    album.expectedImageCount = sum(part.HasField("imageMessage") for part in parts)
    album.expectedVideoCount = len(parts) - album.expectedImageCount
    _context(album.contextInfo, {**arguments, "mentions": None, "mention_all": None})
    return message, parts


def join(part: Any, number: int, chat: str, album: str) -> Any:
    """Make a file's message the one at position `number` (from 0) of the album with this id."""
    association = part.messageContextInfo.messageAssociation
    association.associationType = e2e.MessageAssociation.MEDIA_ALBUM
    association.parentMessageKey.remoteJID = chat
    association.parentMessageKey.fromMe = True
    association.parentMessageKey.ID = album
    association.messageIndex = number
    return part


def _again(message: Any, arguments: dict[str, Any]) -> Any:
    """A copy of an earlier message from any chat: forwarded, or as the account's own with a new caption."""
    content = arguments["content"]
    try:
        earlier, said = unwrapped(ParseDict(arguments["message"], e2e.Message(), ignore_unknown_fields=True))
    except ParseError as error:
        raise ValueError(f"message_id: the message cannot be read: {error}") from None
    name = next((each for each in SHARED if earlier.HasField(each)), None)
    part: Any = getattr(earlier, name) if name is not None else None
    if name is None or said.get("view_once") or getattr(part, "viewOnce", False):
        raise ValueError(
            "message_id: WhatsApp forwards texts, files, contacts and locations, and none that are viewed once"
        )
    if name == "conversation":
        score = 0
        message.extendedTextMessage.text = part
        part = message.extendedTextMessage
    else:
        score = part.contextInfo.forwardingScore
        part.ClearField("contextInfo")
        getattr(message, name).CopyFrom(part)
        part = getattr(message, name)
    if content["type"] == "forward":
        arguments = {
            **arguments,
            "forwarding_score": arguments.get("forwarding_score") or min(score + 1, MOST_FORWARDED),
        }
    elif content.get("caption") is not None:
        if "caption" not in part.DESCRIPTOR.fields_by_name:
            raise ValueError("caption: this message has none")
        part.caption = content["caption"]
    _context(part.contextInfo, arguments)
    return message


def _text(message: Any, text: str, arguments: dict[str, Any]) -> Any:
    if not any(arguments.get(name) for name in WITH_CONTEXT):
        message.conversation = text
        return message
    part = message.extendedTextMessage
    part.text = text
    if link := arguments.get("link"):
        part.matchedText = link["url"]
        part.title, part.description = link.get("title") or "", link.get("description") or ""
        part.previewType = e2e.ExtendedTextMessage.NONE
        picture = link.get("picture")
        if picture and (small := conversion.thumbnail(picture, conversion.LINK_THUMBNAIL)) is not None:
            part.JPEGThumbnail, _, (part.thumbnailWidth, part.thumbnailHeight) = small
    _context(part.contextInfo, arguments)
    return message


def _context(context: Any, arguments: dict[str, Any]) -> None:
    """The message it replies to, the people it mentions, and its lifetime."""
    if reply_to := arguments.get("reply_to"):
        context.stanzaID = reply_to
        context.participant = arguments["quoted_sender"]
        context.quotedMessage.conversation = arguments.get("quoted_text") or ""
    context.mentionedJID.extend(arguments.get("mentions") or [])
    if arguments.get("mention_all"):
        context.nonJIDMentions = MENTION_ALL
    if score := arguments.get("forwarding_score"):
        context.isForwarded, context.forwardingScore = True, score
    if seconds := arguments.get("expires_in"):
        context.expiration = seconds


def _key(key: Any, chat: str, message_id: str, arguments: dict[str, Any]) -> None:
    key.remoteJID = chat
    key.ID = message_id
    key.fromMe = arguments["from_me"]
    if not key.fromMe and chat.endswith("@g.us"):
        key.participant = arguments["quoted_sender"]


def _vcard(name: str, phone: str) -> str:
    digits = "".join(character for character in phone if character.isdigit())
    clean = " ".join(name.split())
    return f"BEGIN:VCARD\nVERSION:3.0\nFN:{clean}\nTEL;type=CELL;waid={digits}:+{digits}\nEND:VCARD"


def poll_info(arguments: dict[str, Any]) -> Any:
    """The poll description that the library needs for a vote. Fields that the library does not read stay empty."""
    source = forms.MessageSource(
        Chat=parse_jid(arguments["to"]),
        Sender=parse_jid(arguments["sender"]),
        IsFromMe=arguments["from_me"],
        IsGroup=arguments["to"].endswith("@g.us"),
    )
    info = forms.MessageInfo(MessageSource=source, ID=arguments["message_id"])
    _complete(info)
    return info


def _complete(message: Any) -> None:
    """Set every required field that is missing."""
    for path in message.FindInitializationErrors():
        target = message
        *parents, name = path.split(".")
        for parent in parents:
            target = getattr(target, parent)
        field = target.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None:
            getattr(target, name).SetInParent()
            _complete(getattr(target, name))
        elif field.enum_type is not None:
            setattr(target, name, field.enum_type.values[0].number)
        else:
            setattr(target, name, field.default_value)


def receiver(arguments: dict[str, Any]) -> Any:
    """The address to send to."""
    return parse_jid(arguments["to"])
