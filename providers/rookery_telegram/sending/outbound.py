"""Converts messages to Bot API calls, and the results of calls to receipts. Pure."""

from __future__ import annotations

import mimetypes
import re
from functools import lru_cache
from typing import Any

import msgspec

from rookery.errors import Rejected
from rookery.model import content as c
from rookery.model.message import OutboundMessage, Receipt

from ..bot_api.errors import ApiError
from ..bot_api.methods import takes_chat
from ..receiving.plain import LATEST
from .request import File, MethodCall, with_files

PARSE_MODES = {"html": "HTML", "markdown": "MarkdownV2"}
MEDIA_METHODS = {
    c.Image: ("sendPhoto", "photo"),
    c.Video: ("sendVideo", "video"),
    c.Audio: ("sendAudio", "audio"),
    c.Voice: ("sendVoice", "voice"),
    c.Document: ("sendDocument", "document"),
    c.Sticker: ("sendSticker", "sticker"),
    c.Animation: ("sendAnimation", "animation"),
    c.VideoNote: ("sendVideoNote", "video_note"),
}


# `int` would also take "1_000", " 5" and the digits of other scripts.
_CHAT_ID = re.compile(r"-?[0-9]{1,19}")
_LONGEST_KNOWN = 64  # characters of a chat id that is kept; a public name has at most 32
_MESSAGE_ID = re.compile(r"[0-9]{1,19}")


class _Chat(msgspec.Struct, gc=False):
    id: int


class _Sent(msgspec.Struct, gc=False):
    message_id: int
    date: int | None = None
    chat: _Chat | None = None


_sent = msgspec.json.Decoder(_Sent)
_several = msgspec.json.Decoder(list[_Sent])


def to_call(message: OutboundMessage, *, to: str | None = None) -> MethodCall:
    """The call that sends `message` (to another chat if `to` is given). Raises Rejected."""
    params: dict[str, Any] = {"chat_id": chat_id(to or message.to)}
    if message.reply_to is not None:
        params["reply_parameters"] = {"message_id": _message_id(message.reply_to, "reply_to")}
    files: dict[str, File] = {}
    match message.content:
        case c.Text() as text:
            method = "sendMessage"
            params["text"] = text.text
            _format(params, text.format)
            if not text.preview:
                params["link_preview_options"] = {"is_disabled": True}
        case c.Location() as place if place.name and place.address:
            method = "sendVenue"
            params |= {
                "latitude": place.latitude,
                "longitude": place.longitude,
                "title": place.name,
                "address": place.address,
            }
        case c.Location() as place:
            method = "sendLocation"
            params |= {"latitude": place.latitude, "longitude": place.longitude}
        case c.Contact() as contact:
            method = "sendContact"
            params |= {"phone_number": contact.phone, "first_name": contact.name}
        case c.Reaction() as reaction:
            method = "setMessageReaction"
            params["message_id"] = _message_id(reaction.message_id, "message_id")
            emojis = [reaction.emoji] if isinstance(reaction.emoji, str) else reaction.emoji
            params["reaction"] = [{"type": "emoji", "emoji": emoji} for emoji in emojis if emoji]
        case c.Edit() as edit:
            params["message_id"] = _message_id(edit.message_id, "message_id")
            method = _edit(edit, params, files)
        case c.Delete() as deletion:
            method = "deleteMessage"
            params["message_id"] = _message_id(deletion.message_id, "message_id")
        case c.Poll() as poll:
            method = "sendPoll"
            params["question"] = poll.question
            params["options"] = [{"text": choice} for choice in poll.choices]
            params["allows_multiple_answers"] = poll.selectable != 1
        case c.Read() as read:
            if "business_connection_id" not in message.options:
                raise Rejected(
                    "read: bots can do this only for business accounts: give the account's business_connection_id"
                )
            method = "readBusinessMessage"
            params["message_id"] = _message_id(read.message_id, "message_id")
        case c.Album() as album:
            method = "sendMediaGroup"
            params["media"] = _input_media(album.items, files)
        case c.PaidMedia() as paid:
            method = "sendPaidMedia"
            params |= {"star_count": paid.stars, "media": _input_media(paid.items, files)}
            if paid.caption is not None:
                params["caption"] = paid.caption
        case c.Forward() | c.Copy() as source:
            method = "forwardMessage" if isinstance(source, c.Forward) else "copyMessage"
            params["from_chat_id"] = chat_id(source.from_chat, "from_chat")
            params["message_id"] = _message_id(source.message_id, "message_id")
            if isinstance(source, c.Copy) and source.caption is not None:
                params["caption"] = source.caption
        case c.Dice() as dice:
            method = "sendDice"
            params["emoji"] = dice.emoji
        case c.Invoice() as invoice:
            method = "sendInvoice"
            params |= {
                "title": invoice.title,
                "description": invoice.description,
                "payload": invoice.payload,
                "currency": invoice.currency,
                "prices": [{"label": price.label, "amount": price.amount} for price in invoice.prices],
            }
        case c.Pin() as pin:
            method = "pinChatMessage"
            params["message_id"] = _message_id(pin.message_id, "message_id")
        case c.Unpin() as unpin:
            method = "unpinChatMessage"
            if unpin.message_id is not None:
                params["message_id"] = _message_id(unpin.message_id, "message_id")
        case c.Vote():
            raise Rejected("type: a Telegram bot cannot vote")
        case c.Typing() as typing:
            method = "sendChatAction"
            params["action"] = typing.action
        case c.PlatformCall() as call:
            if not takes_chat(call.method):
                del params["chat_id"]
            return with_files(call.method, {**params, **call.params, **message.options})
        case media:
            method, field = MEDIA_METHODS[type(media)]
            if media.caption is not None:
                params["caption"] = media.caption
            if media.url is not None:
                params[field] = media.url
            else:
                files[field] = File(media.data, media.media, media.filename, media.mime_type)
    if not message.options:
        return MethodCall(method, params, files)
    further = with_files(method, message.options)  # an option such as `thumbnail` may also be a stored file
    return MethodCall(method, params | further.params, further.files | files)


def to_receipt(message: OutboundMessage, result: msgspec.Raw, now: float) -> Receipt:
    """The receipt from the call's result: a message, the first of several, or only its id. A method with any other
    result acted on the message that the call names."""
    try:
        try:
            sent = _sent.decode(result)
        except msgspec.ValidationError:
            sent = _several.decode(result)[0]
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        content = message.content
        given = content.params.get("message_id", "") if isinstance(content, c.PlatformCall) else None
        id = str(given) if given is not None else getattr(content, "message_id", "")
        return Receipt(message_id=id, time=now, chat=message.to)
    chat = str(sent.chat.id) if sent.chat is not None else message.to
    date = sent.date if sent.date is not None and 0 < sent.date < LATEST else now
    return Receipt(message_id=str(sent.message_id), time=float(date), chat=chat)


def after_migration(message: OutboundMessage) -> OutboundMessage:
    """The message for the supergroup that its group became. Messages are renumbered there, so it no longer refers to
    the message that it replies to. Raises Rejected for a message that acts on a message of the old group."""
    if getattr(message.content, "message_id", None) is not None:
        raise Rejected("message_id: the group became a supergroup, and its messages have new ids")
    options = {name: value for name, value in message.options.items() if name != "reply_parameters"}
    return msgspec.structs.replace(message, reply_to=None, options=options)


def is_unchanged(message: OutboundMessage, error: ApiError) -> bool:
    """True when Telegram refused an edit because the message already has the new content."""
    return isinstance(message.content, c.Edit) and "message is not modified" in error.description


def _edit(edit: c.Edit, params: dict[str, Any], files: dict[str, File]) -> str:
    """The method of an edit, and its parameters."""
    if edit.reply_markup is not None:
        params["reply_markup"] = edit.reply_markup
    if edit.text is not None:
        params["text"] = edit.text
        _format(params, edit.format)
        return "editMessageText"
    if edit.caption is not None:
        params["caption"] = edit.caption
        _format(params, edit.format)
        return "editMessageCaption"
    if edit.media is not None:
        [params["media"]] = _input_media((edit.media,), files)
        return "editMessageMedia"
    return "editMessageReplyMarkup"


def _input_media(items: tuple[c.Item, ...], files: dict[str, File]) -> list[dict[str, Any]]:
    """`InputMedia` of each item; local files become parts of the request."""
    found = []
    for item in items:
        shown: dict[str, Any] = {"type": "photo" if item.type == "image" else item.type}
        if item.url is not None:
            shown["media"] = item.url
        else:
            part = f"item{len(files)}"
            files[part] = File(item.data, item.media, item.filename, item.mime_type)
            shown["media"] = f"attach://{part}"
        if item.caption is not None:
            shown["caption"] = item.caption
        found.append(shown)
    return found


def chat_id(to: str, field: str = "to") -> int | str:
    """A number, or `@name` of a public chat. Raises Rejected."""
    return _known_chat_id(to, field) if len(to) <= _LONGEST_KNOWN else _chat_id(to, field)


def _chat_id(to: str, field: str) -> int | str:
    if to.startswith("@") and len(to) > 1:
        return to
    if not _CHAT_ID.fullmatch(to):
        raise Rejected(f"{field}: {to!r} is neither a chat id nor @name")
    return int(to)


_known_chat_id = lru_cache(maxsize=1024)(_chat_id)


def _message_id(value: str, field: str) -> int:
    if not _MESSAGE_ID.fullmatch(value):
        raise Rejected(f"{field}: a Telegram message id is a number, not {value!r}")
    return int(value)


def _format(params: dict[str, Any], name: str) -> None:
    if name in PARSE_MODES:
        params["parse_mode"] = PARSE_MODES[name]


def name_of(field: str, filename: str | None, kind: str | None) -> tuple[str, str]:
    """The name and the media type to upload a file with."""
    kind = kind or (mimetypes.guess_type(filename)[0] if filename else None) or "application/octet-stream"
    return filename or field + (mimetypes.guess_extension(kind.partition(";")[0].strip()) or ""), kind
