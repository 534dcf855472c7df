"""The bodies of message events, complete enough that readers do not need the raw form. Pure.

Fields and kinds are those of the Bot API's `Message` (core.telegram.org/bots/api, 10.3).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .message_kinds import CONTENT_KINDS, MEDIA_KINDS, SERVICE, SERVICE_KINDS
from .peers import Malformed, document, name_of, peer, peers, text_of, whole

_PLAIN = frozenset({"message_id", "from", "chat", "date", "text"})
"""A message with only these fields is plain: nothing but its text is to be described."""

_FILE = {
    "file_id": "file_id",
    "file_unique_id": "unique_id",
    "file_name": "filename",
    "mime_type": "mime_type",
    "file_size": "size",
    "width": "width",
    "height": "height",
    "length": "length",
    "duration": "duration",
    "emoji": "emoji",
    "set_name": "set_name",
    "type": "sticker_type",
    "is_animated": "is_animated",
    "is_video": "is_video",
    "custom_emoji_id": "custom_emoji_id",
    "start_timestamp": "start_timestamp",
    "title": "title",
    "performer": "performer",
    "needs_repainting": "needs_repainting",
}
_FILES_OF_A_FILE = ("thumbnail", "photo")
"""Files that may accompany a file: a thumbnail, and the still picture of a live photo."""

_AS_THEY_ARE = (
    "entities",
    "caption_entities",
    "link_preview_options",
    "external_reply",
    "quote",
    "reply_to_story",
    "direct_messages_topic",
    "suggested_post_info",
    "reply_markup",
)
_TEXTS = {
    "media_group_id": "media_group_id",
    "business_connection_id": "business_connection_id",
    "author_signature": "signature",
    "effect_id": "effect_id",
    "guest_query_id": "guest_query_id",
    "sender_tag": "sender_tag",
    "reply_to_poll_option_id": "reply_to_poll_option",
}
_NUMBERS = {
    "edit_date": "edited_at",
    "paid_star_count": "paid_star_count",
    "sender_boost_count": "sender_boost_count",
}
_IDS = {
    "message_thread_id": "thread_id",
    "ephemeral_message_id": "ephemeral_message_id",
    "reply_to_checklist_task_id": "reply_to_checklist_task",
}
_FLAGS = (
    "is_topic_message",
    "is_automatic_forward",
    "has_protected_content",
    "has_media_spoiler",
    "show_caption_above_media",
    "is_paid_post",
    "is_from_offline",
)
_PEERS = (
    "sender_chat",
    "via_bot",
    "sender_business_bot",
    "guest_bot_caller_user",
    "guest_bot_caller_chat",
    "receiver_user",
)

CIRCUMSTANCES = frozenset(
    {
        *_PLAIN,
        *_AS_THEY_ARE,
        *_TEXTS,
        *_NUMBERS,
        *_IDS,
        *_FLAGS,
        *_PEERS,
        "caption",
        "reply_to_message",
        "forward_origin",
    }
)
"""The fields of a message that are not its content."""


def message_body(message: dict[str, Any], *, inner: bool = False) -> dict[str, Any]:
    """The body of a message. One inside another update (`inner`) says when it was sent, and shows no third message. Raises
    Malformed."""
    chat = document(message.get("chat"))
    text, caption = message.get("text"), message.get("caption")
    body: dict[str, Any] = {
        "message_id": str(whole(message.get("message_id"))),
        "kind": "text",
        "text": text if isinstance(text, str) else caption if isinstance(caption, str) else "",
        "chat_type": chat.get("type") if isinstance(chat.get("type"), str) else None,
        "chat": peer(chat),
    }
    if (inner or "edit_date" in message) and type(date := message.get("date")) is int:
        body["sent_at"] = date  # for other messages, this is the event's time
    sender = sender_of(message)
    if isinstance(sender, dict):
        body["sender_name"] = name_of(sender)
        body["sender"] = peer(sender)
    if not isinstance(text, str):
        _describe(message, body)
    if not message.keys() <= _PLAIN:
        _add_circumstances(message, body)
        replied = message.get("reply_to_message")
        if isinstance(replied, dict) and not inner:
            with suppress(Malformed):
                body["reply_to_message"] = message_body(replied, inner=True)
    return body


def sender_of(message: dict[str, Any]) -> Any:
    """The user or chat that a message is from. For a message in the name of a chat, Telegram adds a stand-in user,
    which is meant for programs that do not know such senders."""
    return message.get("sender_chat") or message.get("from")


def _describe(message: dict[str, Any], body: dict[str, Any]) -> None:
    """Raises Malformed."""
    for kind in MEDIA_KINDS:
        if value := message.get(kind):
            body["kind"] = kind
            if (file := file_of(value)) is not None:
                body["media"] = file
            return
    for kind in CONTENT_KINDS:
        if kind in message:
            body["kind"] = kind
            body[kind] = value = message[kind]
            if kind == "paid_media" and (file := _first_paid(value)) is not None:
                body["media"] = file
            return
    for kind in SERVICE_KINDS:
        if kind in message:
            body["kind"] = kind
            body["service"] = True
            body[kind] = _service(kind, message[kind])
            return
    body["kind"] = SERVICE


def file_of(value: Any, *, inner: bool = False) -> dict[str, Any] | None:
    """The description of a file: the largest size of a photo, which comes last; the video of a live photo. An `inner` file
    has no files beside it."""
    file = value[-1] if isinstance(value, list) and value else value
    if not isinstance(file, dict):
        return None
    shown = {ours: file[theirs] for theirs, ours in _FILE.items() if theirs in file}
    for name in () if inner else _FILES_OF_A_FILE:
        if name in file and (beside := file_of(file[name], inner=True)) is not None:
            shown[name] = beside
    return shown


def _first_paid(value: Any) -> dict[str, Any] | None:
    items = value.get("paid_media") if isinstance(value, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            for kind in ("photo", "video", "live_photo"):
                if kind in item:
                    return file_of(item[kind])
    return None


def _service(kind: str, value: Any) -> Any:
    """Raises Malformed."""
    if kind == "new_chat_members":
        return peers(value)
    if kind == "left_chat_member":
        return peer(value)
    if kind in ("migrate_to_chat_id", "migrate_from_chat_id"):
        return str(whole(value))
    if kind == "pinned_message":  # a whole message, or only the stub of an inaccessible one
        id = value.get("message_id") if isinstance(value, dict) else None
        return {"message_id": str(id)} if type(id) is int else {}
    return value


def _add_circumstances(message: dict[str, Any], body: dict[str, Any]) -> None:
    """Add the message's origin, the message that it replies to, its thread and its album."""
    replied = message.get("reply_to_message")
    if isinstance(replied, dict) and type(replied.get("message_id")) is int:
        body["reply_to"] = str(replied["message_id"])
    for theirs, ours in _IDS.items():
        if type(id := message.get(theirs)) is int:
            body[ours] = str(id)
    for theirs, ours in _TEXTS.items():
        if (text := text_of(message.get(theirs))) is not None:
            body[ours] = text
    for name in _FLAGS:
        if message.get(name) is True:
            body[name] = True
    for name in _PEERS:
        if (shown := peer(message.get(name))) is not None:
            body[name] = shown
    for name in _AS_THEY_ARE:
        if name in message:
            body[name] = message[name]
    for theirs, ours in _NUMBERS.items():
        if type(number := message.get(theirs)) is int:
            body[ours] = number
    if isinstance(origin := message.get("forward_origin"), dict):
        body["forward"] = _origin(origin)


def _origin(origin: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": text_of(origin.get("type")) or "unknown"}
    if (sender := peer(origin.get("sender_user"))) is not None:
        shown["sender"] = sender
    if (name := text_of(origin.get("sender_user_name"))) is not None:
        shown["sender_name"] = name
    if (chat := peer(origin.get("sender_chat") or origin.get("chat"))) is not None:
        shown["chat"] = chat
    if type(id := origin.get("message_id")) is int:
        shown["message_id"] = str(id)
    if (signature := text_of(origin.get("author_signature"))) is not None:
        shown["signature"] = signature
    if type(date := origin.get("date")) is int:
        shown["date"] = date
    return shown
