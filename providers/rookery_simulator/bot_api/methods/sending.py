"""The methods that create messages: sendMessage, the media, sendLocation, sendContact, sendPoll, sendChatAction.

Checks run in the server's order and use its error texts. Not simulated: entities are not parsed from a text with a
parse_mode (the text comes back as sent), media by URL are not fetched, and pictures have made-up sizes.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from ..wire.answers import ApiError
from ..wire.parameters import Parameters, Upload
from ..world.bot import Message, Sent, SimulatedBot
from ..world.chats import Chat, supergroup_id
from ..world.files import StoredFile

MAX_TEXT = 4096
MAX_CAPTION = 1024
PARSE_MODES = frozenset({"", "none", "markdown", "markdownv2", "html"})
ACTIONS = frozenset(
    {
        "cancel",
        "typing",
        "record_video",
        "upload_video",
        "record_voice",
        "record_audio",
        "upload_voice",
        "upload_audio",
        "upload_photo",
        "upload_document",
        "choose_sticker",
        "pick_up_location",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)

_PUBLIC_NAME = re.compile(r"@[A-Za-z][A-Za-z0-9_]{3,31}")


def find_chat(bot: SimulatedBot, parameters: Parameters) -> Chat:
    """The chat that `chat_id` names. Raises ApiError 400."""
    chat_id = parameters.values.get("chat_id")
    if type(chat_id) is not int:
        text = parameters.text("chat_id").strip()
        if not text:
            raise ApiError(400, "Bad Request: chat_id is empty")
        chat_id = supergroup_id(text) if _PUBLIC_NAME.fullmatch(text) else parameters.integer("chat_id")
    if chat_id == 0 or abs(chat_id) >= 1 << 52 or (bot.settings.known_chats_only and chat_id not in bot.chats):
        raise ApiError(400, "Bad Request: chat not found")
    return bot.chat(chat_id)


def log_call(
    bot: SimulatedBot, method: str, parameters: Parameters, chat_id: int, message_id: int | None, text: str
) -> Sent:
    """A record of a call that took effect."""
    return Sent(
        number=bot.next_call_number(),
        at=bot.clock(),
        method=method,
        chat_id=chat_id,
        message_id=message_id,
        text=text,
        parameters=parameters.values,
        files={name: (upload.file_name, len(upload.content)) for name, upload in parameters.files.items()},
    )


def check_text(parameters: Parameters) -> str:
    """The `text` of a message. Raises ApiError 400 when empty, too long or of an unknown parse_mode."""
    text = parameters.text("text")
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    check_parse_mode(parameters)
    if not text.strip():
        raise ApiError(400, "Bad Request: text must be non-empty")
    if len(text) > MAX_TEXT:
        raise ApiError(400, "Bad Request: message is too long")
    return text


def check_caption(parameters: Parameters) -> str:
    """The `caption` of a media message, perhaps empty. Raises ApiError 400."""
    caption = parameters.text("caption")
    check_parse_mode(parameters)
    if len(caption) > MAX_CAPTION:
        raise ApiError(400, "Bad Request: message caption is too long")
    return caption


def check_parse_mode(parameters: Parameters) -> None:
    """Raise ApiError 400 for a parse_mode that does not exist."""
    if parameters.text("parse_mode").lower() not in PARSE_MODES:
        raise ApiError(400, "Bad Request: unsupported parse_mode")


def inline_keyboard(parameters: Parameters) -> dict[str, Any]:
    """`{"reply_markup": ...}` if messages show it. Raises ApiError 400 when it is not a JSON object."""
    if not parameters.values.get("reply_markup"):
        return {}
    markup = parameters.structure("reply_markup")
    if not isinstance(markup, dict):
        raise ApiError(400, "Bad Request: object expected as reply markup")
    return {"reply_markup": markup} if "inline_keyboard" in markup else {}


def create_message(
    bot: SimulatedBot, method: str, chat: Chat, parameters: Parameters, content: Message, text: str = ""
) -> Message:
    """Send a message with the given content: access, reply, flood limit, then the effect. Raises ApiError."""
    chat.check_access()
    extra = inline_keyboard(parameters)
    extra |= _quote(bot, chat, parameters)
    thread = parameters.integer("message_thread_id")
    if thread:
        extra |= {"message_thread_id": thread, "is_topic_message": True}
    bot.take_flood_allowance(chat)
    message: Message = {
        "message_id": chat.next_message_id(),
        "from": bot.user,
        "chat": chat.json,
        "date": int(bot.clock()),
        **extra,
        **content,
    }
    bot.keep_message(message)
    bot.sent.append(log_call(bot, method, parameters, chat.id, message["message_id"], text))
    return message


def send_message(bot: SimulatedBot, parameters: Parameters) -> Message:
    text = check_text(parameters)
    content: Message = {"text": text}
    entities = parameters.structure("entities")
    if entities:
        content["entities"] = entities
    return create_message(bot, "sendMessage", find_chat(bot, parameters), parameters, content, text)


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


def send_location(bot: SimulatedBot, parameters: Parameters) -> Message:
    location = {}
    for name in ("latitude", "longitude"):
        number = parameters.number(name)
        if number is None:
            raise ApiError(400, f"Bad Request: {name} is empty")
        location[name] = number
    return create_message(bot, "sendLocation", find_chat(bot, parameters), parameters, {"location": location})


def send_contact(bot: SimulatedBot, parameters: Parameters) -> Message:
    contact = {}
    for name in ("phone_number", "first_name"):
        contact[name] = parameters.text(name)
        if not contact[name]:
            raise ApiError(400, f'Bad Request: parameter "{name}" is required')
    if parameters.text("last_name"):
        contact["last_name"] = parameters.text("last_name")
    return create_message(bot, "sendContact", find_chat(bot, parameters), parameters, {"contact": contact})


def send_poll(bot: SimulatedBot, parameters: Parameters) -> Message:
    question = parameters.text("question")
    if not question:
        raise ApiError(400, "Bad Request: poll question must be non-empty")
    options = parameters.structure("options")
    if not isinstance(options, list):
        raise ApiError(400, "Bad Request: expected an Array of String as options")
    if len(options) < 2:
        raise ApiError(400, "Bad Request: poll must have at least 2 option")
    texts = [option["text"] if isinstance(option, dict) and "text" in option else str(option) for option in options]
    chat = find_chat(bot, parameters)
    anonymous = parameters.flag("is_anonymous") if "is_anonymous" in parameters.values else True
    poll = {
        "id": str(bot.next_call_number()),
        "question": question,
        "options": [{"persistent_id": str(n), "text": text, "voter_count": 0} for n, text in enumerate(texts)],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": anonymous,
        "type": parameters.text("type") or "regular",
        "allows_multiple_answers": parameters.flag("allows_multiple_answers"),
        "allows_revoting": parameters.flag("allows_revoting"),
        "members_only": parameters.flag("members_only"),
    }
    return create_message(bot, "sendPoll", chat, parameters, {"poll": poll}, question)


def send_chat_action(bot: SimulatedBot, parameters: Parameters) -> bool:
    action = parameters.text("action").lower()
    if action not in ACTIONS:
        raise ApiError(400, "Bad Request: wrong parameter action in request")
    chat = find_chat(bot, parameters)
    chat.check_access()
    bot.actions.append(log_call(bot, "sendChatAction", parameters, chat.id, None, action))
    return True


def _quote(bot: SimulatedBot, chat: Chat, parameters: Parameters) -> Message:
    reply = parameters.structure("reply_parameters")
    if isinstance(reply, dict):
        message_id, may_be_missing = Parameters(reply).integer("message_id"), reply.get("allow_sending_without_reply")
    else:
        message_id, may_be_missing = parameters.integer("reply_to_message_id"), False
        if not message_id:
            return {}
    message = bot.messages.get((chat.id, message_id))
    if message is not None:
        return {"reply_to_message": {key: message[key] for key in message if key != "reply_to_message"}}
    if not may_be_missing:
        raise ApiError(400, "Bad Request: message to be replied not found")
    return {}


def _store(bot: SimulatedBot, upload: Upload) -> StoredFile:
    if not upload.content:
        raise ApiError(400, "Bad Request: file must be non-empty")
    return bot.files.add(upload.content, upload.file_name or "file")


METHODS = {
    "sendmessage": send_message,
    "sendlocation": send_location,
    "sendcontact": send_contact,
    "sendpoll": send_poll,
    "sendchataction": send_chat_action,
} | {
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
