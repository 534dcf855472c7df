"""Messages to send, as WhatsApp's protobufs.

They are built here and not by the library's own helpers, which look for mentions of groups over the network, guess file
types with libmagic and start ffmpeg.
"""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

from neonize.client import NewClient  # type: ignore[import-untyped]
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e  # type: ignore[import-untyped]
from neonize.utils.enum import MediaType  # type: ignore[import-untyped]

from ..addresses import parse_jid

UPLOADS = {
    "image": MediaType.MediaImage,
    "sticker": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "voice": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
}
THUMBNAIL = (96, 96)  # pixels at most
LARGEST_PREVIEWED = 20 * 1024 * 1024
"""Bytes of a picture; a larger one is sent without a preview instead of being decoded."""


def build(client: NewClient, arguments: dict[str, Any]) -> Any:
    """The `Message` for a send's arguments; media is uploaded first."""
    content, chat = arguments["content"], arguments["to"]
    kind = content["type"]
    message = e2e.Message()
    if kind == "text":
        return _text(message, content["text"], arguments)
    if kind in UPLOADS:
        part = _media(client, message, kind, arguments)
    elif kind == "location":
        part = message.locationMessage
        part.degreesLatitude, part.degreesLongitude = content["latitude"], content["longitude"]
        part.name, part.address = content.get("name") or "", content.get("address") or ""
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
        message.messageContextInfo.messageSecret = os.urandom(32)
    elif kind == "reaction":
        _key(message.reactionMessage.key, chat, content["message_id"], arguments)
        message.reactionMessage.text = content["emoji"]
        message.reactionMessage.senderTimestampMS = int(time.time() * 1000)
        return message
    elif kind == "edit":
        protocol = message.editedMessage.message.protocolMessage
        protocol.type = e2e.ProtocolMessage.MESSAGE_EDIT
        _key(protocol.key, chat, content["message_id"], {"from_me": True})
        protocol.editedMessage.conversation = content["text"]
        protocol.timestampMS = int(time.time() * 1000)
        return message
    elif kind == "delete":
        message.protocolMessage.type = e2e.ProtocolMessage.REVOKE
        _key(message.protocolMessage.key, chat, content["message_id"], arguments)
        return message
    else:
        raise ValueError(f"nobody taught this worker to send {kind!r}")
    _quote(part.contextInfo, arguments)
    return message


def _text(message: Any, text: str, arguments: dict[str, Any]) -> Any:
    mentions = arguments.get("mentions")
    if not arguments.get("reply_to") and not mentions:
        message.conversation = text
        return message
    message.extendedTextMessage.text = text
    context = message.extendedTextMessage.contextInfo
    context.mentionedJID.extend(mentions or [])
    _quote(context, arguments)
    return message


def _quote(context: Any, arguments: dict[str, Any]) -> None:
    if reply_to := arguments.get("reply_to"):
        context.stanzaID = reply_to
        context.participant = arguments["quoted_sender"]
        context.quotedMessage.conversation = arguments.get("quoted_text") or ""


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


def _media(client: NewClient, message: Any, kind: str, arguments: dict[str, Any]) -> Any:
    content, data = arguments["content"], arguments["data"]
    if data is None:
        data = Path(arguments["path"]).read_bytes()  # a file that the engine has stored
    part = getattr(message, "audioMessage" if kind == "voice" else f"{kind}Message")
    uploaded = client.upload(data, UPLOADS[kind])
    part.URL, part.directPath, part.mediaKey = uploaded.url, uploaded.DirectPath, uploaded.MediaKey
    part.fileEncSHA256, part.fileSHA256 = uploaded.FileEncSHA256, uploaded.FileSHA256
    part.fileLength, part.mediaKeyTimestamp = uploaded.FileLength, int(time.time())
    part.mimetype = content["mime_type"]
    if kind in ("image", "video", "document") and content.get("caption"):
        part.caption = content["caption"]
    if kind == "document":
        part.fileName = part.title = content.get("filename") or "file"
    if kind == "voice":
        part.PTT = True
    if kind == "image" and len(data) <= LARGEST_PREVIEWED:
        _preview(part, data)
    return part


def _preview(part: Any, data: bytes) -> None:
    """Size and thumbnail of a picture; one that cannot be read is sent as it is."""
    try:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as picture:
            part.width, part.height = picture.size
            picture.draft("RGB", THUMBNAIL)
            small = picture.convert("RGB")
            small.thumbnail(THUMBNAIL)
            thumbnail = io.BytesIO()
            small.save(thumbnail, "JPEG", quality=60)
            part.JPEGThumbnail = thumbnail.getvalue()
    except Exception:  # noqa: S110 - Pillow raises whatever a broken picture makes it raise
        pass


def receiver(arguments: dict[str, Any]) -> Any:
    """The address to send to."""
    return parse_jid(arguments["to"])
