"""Uploads the file of a message and fills the part of the message that describes it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from neonize.client import NewClient
from neonize.utils.enum import MediaType

from . import conversion, voice

UPLOADS = {
    "image": MediaType.MediaImage,
    "sticker": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "voice": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
}
CHANNEL = "@newsletter"
LARGEST_PREVIEWED = 20 * 1024 * 1024
"""Bytes of a picture; a larger one is sent without a preview instead of being decoded."""


def add_file(client: NewClient, message: Any, kind: str, arguments: dict[str, Any]) -> Any:
    """Upload the file of `arguments` and describe it in `message`; returns that part. Raises ValueError."""
    content, data = arguments["content"], arguments["data"]
    if data is None:
        data = Path(arguments["path"]).read_bytes()  # a file that the engine has stored
    animated = False
    if kind == "sticker":
        data, animated = conversion.to_sticker(data)
        content["mime_type"] = "image/webp"
    if kind == "voice":
        if not data.startswith(b"OggS"):
            data = voice.to_voice(data, arguments.get("deadline", math.inf) - time.monotonic())
        content["mime_type"] = "audio/ogg; codecs=opus"
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
    _describe(part, kind, data, arguments, animated=animated)
    return part


def _describe(part: Any, kind: str, data: bytes, arguments: dict[str, Any], *, animated: bool) -> None:
    content = arguments["content"]
    if kind in ("image", "video", "document") and content.get("caption"):
        part.caption = content["caption"]
    if kind == "document":
        part.fileName = part.title = content.get("filename") or "file"
    elif kind == "voice":
        part.PTT = True
        part.seconds = conversion.seconds_of_opus(data)
    elif kind == "video" and arguments.get("gif"):
        part.gifPlayback = True
    elif kind == "sticker":
        part.width, part.height = conversion.STICKER
        part.isAnimated = animated
    elif kind == "image" and len(data) <= LARGEST_PREVIEWED and (small := conversion.thumbnail(data)) is not None:
        part.JPEGThumbnail, (part.width, part.height), _ = small
