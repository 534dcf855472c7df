"""The methods that send one file. Media by URL are not fetched, and pictures have made-up sizes."""

from __future__ import annotations

from functools import partial

from ..wire.answers import ApiError
from ..wire.parameters import Parameters, Upload
from ..world.bot import Message, SimulatedBot
from ..world.files import StoredFile
from .sending import check_caption, create_message, find_chat


def find_media(bot: SimulatedBot, parameters: Parameters, field: str, value: object) -> StoredFile:
    """The file that a media field means: an upload, an `attach://` name, a file_id or a URL. Raises ApiError 400."""
    upload = parameters.files.get(field) if not value else None
    if isinstance(value, str) and value.startswith("attach://"):
        upload = parameters.files.get(value.removeprefix("attach://"))
    if upload is not None:
        return _store(bot, upload)
    if not isinstance(value, str) or not value or value.startswith("attach://"):
        raise ApiError(400, f"Bad Request: there is no {field} in the request")
    if value.startswith(("http://", "https://")):
        # Nothing is fetched: the simulator stays on this machine.
        name = value.partition("?")[0].rpartition("/")[2] or "file"
        return bot.files.add(f"content of {value}".encode(), name)
    stored = bot.files.by_id(value)
    if stored is None:
        raise ApiError(400, "Bad Request: wrong file identifier/HTTP URL specified")
    return stored


def media_content(field: str, stored: StoredFile) -> Message:
    """The message fields that show a file as `field`: a photo, a video and so on."""
    file = stored.describe()
    named = {"file_name": stored.file_name, "mime_type": stored.mime_type}
    picture = {"width": 320, "height": 240}
    match field:
        case "photo":
            return {"photo": [file | {"width": 90, "height": 67}, file | picture]}
        case "document":
            return {"document": file | named}
        case "audio":
            return {"audio": file | named | {"duration": 1}}
        case "voice":
            return {"voice": file | {"duration": 1, "mime_type": stored.mime_type}}
        case "video":
            return {"video": file | named | picture | {"duration": 1}}
        case "animation":
            # Clients that do not know animations see a document.
            return {"animation": file | named | picture | {"duration": 1}, "document": file | named}
        case "video_note":
            return {"video_note": file | {"length": 240, "duration": 1}}
        case "sticker":
            kind = {"type": "regular", "is_animated": False, "is_video": False}
            return {"sticker": file | kind | {"width": 512, "height": 512}}
    raise ValueError(f"no such media: {field}")


def send_media(method: str, field: str, bot: SimulatedBot, parameters: Parameters) -> Message:
    caption = "" if field in ("sticker", "video_note") else check_caption(parameters)
    chat = find_chat(bot, parameters)
    chat.check_access()
    stored = find_media(bot, parameters, field, parameters.values.get(field))
    content = media_content(field, stored)
    if caption:
        content["caption"] = caption
    return create_message(bot, method, chat, parameters, content, caption)


def _store(bot: SimulatedBot, upload: Upload) -> StoredFile:
    if not upload.content:
        raise ApiError(400, "Bad Request: file must be non-empty")
    return bot.files.add(upload.content, upload.file_name or "file")


METHODS = {
    f"send{name.lower()}": partial(send_media, f"send{name}", field)
    for name, field in {
        "Photo": "photo",
        "Document": "document",
        "Video": "video",
        "Audio": "audio",
        "Voice": "voice",
        "Animation": "animation",
        "Sticker": "sticker",
        "VideoNote": "video_note",
    }.items()
}
