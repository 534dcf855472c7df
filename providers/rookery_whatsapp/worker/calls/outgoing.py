"""Builds messages to send as WhatsApp's protobufs.

It does not use the library's own helpers, which look up group mentions over the network, guess file types with libmagic
and start ffmpeg.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from neonize.client import NewClient
from neonize.proto import Neonize_pb2 as forms
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e
from neonize.utils.enum import MediaType

from ..addresses import parse_jid

UPLOADS = {
    "image": MediaType.MediaImage,
    "sticker": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "voice": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
}
SECRET = 32  # bytes
VIEWED_ONCE = ("image", "video", "voice")
WITH_CONTEXT = ("reply_to", "mentions", "mention_all", "forwarding_score", "expires_in", "link")
"""Arguments of a text that need the extended form."""
PINNED = 7 * 86_400  # seconds
MENTION_ALL = 1
STICKER = (512, 512)  # pixels
CONVERTING = 60.0  # seconds
CHANNEL = "@newsletter"

THUMBNAIL = (96, 96)  # pixels at most
LARGEST_PREVIEWED = 20 * 1024 * 1024
"""Bytes of a picture; a larger one is sent without a preview instead of being decoded."""


def build(client: NewClient, arguments: dict[str, Any]) -> Any:
    """The `Message` for a send's arguments; media is uploaded first."""
    content, chat = arguments["content"], arguments["to"]
    kind = content["type"]
    message = e2e.Message()
    if kind not in ("reaction", "edit", "delete"):
        # Newer phones encrypt edits, reactions and comments under this secret.
        message.messageContextInfo.messageSecret = os.urandom(SECRET)
    if kind == "text":
        return _text(message, content["text"], arguments)
    if kind in UPLOADS:
        part = _media(client, message, kind, arguments)
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
            protocol.editedMessage.imageMessage.caption = content["caption"]
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


def _media(client: NewClient, message: Any, kind: str, arguments: dict[str, Any]) -> Any:
    content, data = arguments["content"], arguments["data"]
    if data is None:
        data = Path(arguments["path"]).read_bytes()  # a file that the engine has stored
    if kind == "sticker" and not data.startswith(b"RIFF"):
        data, content["mime_type"] = _as_sticker(data), "image/webp"
    if kind == "voice" and not data.startswith(b"OggS"):
        data, content["mime_type"] = _as_voice(data), "audio/ogg; codecs=opus"
    field = "audioMessage" if kind == "voice" else "ptvMessage" if arguments.get("video_note") else f"{kind}Message"
    part = getattr(message, field)
    if arguments["to"].endswith(CHANNEL):  # public content is not encrypted
        uploaded = client.upload_newsletter(data, UPLOADS[kind])
        part.URL, part.directPath, part.fileSHA256 = uploaded.url, uploaded.DirectPath, uploaded.FileSHA256
    else:
        uploaded = client.upload(data, UPLOADS[kind])
        part.URL, part.directPath, part.mediaKey = uploaded.url, uploaded.DirectPath, uploaded.MediaKey
        part.fileEncSHA256, part.fileSHA256 = uploaded.FileEncSHA256, uploaded.FileSHA256
        part.mediaKeyTimestamp = int(time.time())
    part.fileLength = uploaded.FileLength
    part.mimetype = content["mime_type"]
    if kind in ("image", "video", "document") and content.get("caption"):
        part.caption = content["caption"]
    if kind == "document":
        part.fileName = part.title = content.get("filename") or "file"
    if kind == "voice":
        part.PTT = True
    if kind == "video" and arguments.get("gif"):
        part.gifPlayback = True
    if kind == "image" and len(data) <= LARGEST_PREVIEWED:
        _preview(part, data)
    return part


def _as_sticker(data: bytes) -> bytes:
    """Convert any picture to the format and size of a sticker. Raises ValueError."""
    try:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as picture:
            small = picture.convert("RGBA")
            small.thumbnail(STICKER)
            canvas = Image.new("RGBA", STICKER, (0, 0, 0, 0))
            canvas.paste(small, ((STICKER[0] - small.width) // 2, (STICKER[1] - small.height) // 2))
            webp = io.BytesIO()
            canvas.save(webp, "WEBP")
            return webp.getvalue()
    except Exception as error:
        raise ValueError(f"the file is no picture that can become a sticker: {error}") from None


def _as_voice(data: bytes) -> bytes:
    """Convert a sound file to a voice note (Ogg with Opus), if ffmpeg is installed. Raises ValueError."""
    if shutil.which("ffmpeg") is None:
        raise ValueError("a voice note is Ogg with Opus; other sound files are converted where ffmpeg is installed")
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        "pipe:0",
        "-vn",
        "-ac",
        "1",
        "-c:a",
        "libopus",
        "-b:a",
        "32k",
        "-f",
        "ogg",
        "-",
    ]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=CONVERTING, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise ValueError(f"the sound file could not be converted within {CONVERTING:g} s") from None
    if done.returncode != 0 or not done.stdout:
        raise ValueError(f"ffmpeg cannot read the sound file: {done.stderr.decode('utf-8', 'replace')[:200].strip()}")
    return done.stdout


def _preview(part: Any, data: bytes) -> None:
    """Size and thumbnail of a picture; an unreadable picture is sent without them."""
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


def poll_info(arguments: dict[str, Any]) -> Any:
    """The description of a poll that the library needs for a vote. Fields that it does not read are empty."""
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
