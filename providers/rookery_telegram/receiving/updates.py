"""Updates to events: pure, total and one at a time, so that a strange update costs nothing but itself.

The kinds and fields are those of the Bot API's `Update` and `Message` objects (core.telegram.org/bots/api, 10.0).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from rookery.model.event import NewEvent

from ..bot_api.nesting import flatten, is_suspicious

MESSAGE_KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
    "guest_message",
)
OTHER_KINDS = (
    "business_connection",
    "deleted_business_messages",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
)
ALL_KINDS = MESSAGE_KINDS + OTHER_KINDS
"""Asked for by name: the server's default leaves three of them out."""

MEDIA_KINDS = ("photo", "video", "audio", "voice", "document", "sticker", "animation", "video_note")


Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
UpdateId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""An offset made of anything else would lead astray."""

LATEST = 253_402_300_800.0
"""The end of the calendar, in seconds since the epoch."""


class _Peer(msgspec.Struct, gc=False):
    id: Int64
    type: str | None = None
    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None


class _Reference(msgspec.Struct, gc=False):
    message_id: Int64


class _Message(msgspec.Struct, gc=False):
    message_id: Int64
    chat: _Peer
    date: int
    sender: _Peer | None = msgspec.field(name="from", default=None)
    sender_chat: _Peer | None = None
    text: str | None = None
    caption: str | None = None
    edit_date: int | None = None
    reply_to_message: _Reference | None = None
    photo: Any = None
    video: Any = None
    audio: Any = None
    voice: Any = None
    document: Any = None
    sticker: Any = None
    animation: Any = None
    video_note: Any = None
    location: Any = None
    contact: Any = None
    poll: Any = None


class _Other(msgspec.Struct, gc=False):
    """What the other kinds have in common, as far as they have it."""

    id: Any = None
    chat: _Peer | None = None
    sender: _Peer | None = msgspec.field(name="from", default=None)
    user: _Peer | None = None
    date: int | None = None
    message: Any = None
    message_id: Int64 | None = None
    data: Any = None
    query: Any = None
    new_reaction: Any = None
    option_ids: Any = None


_updates = msgspec.json.Decoder(list[msgspec.Raw])
_update = msgspec.json.Decoder(dict[str, msgspec.Raw])
_message = msgspec.json.Decoder(_Message)
_other = msgspec.json.Decoder(_Other)
_id = msgspec.json.Decoder(UpdateId)
_encoder = msgspec.json.Encoder()


def to_events(
    result: msgspec.Raw, *, epoch: int = 0, now: Callable[[], float] = time.time
) -> tuple[list[NewEvent], Sequence[int]]:
    """The events of one getUpdates result, in order, and the update ids.

    Never raises for what an update holds: an unknown or malformed one becomes an event of type `unknown` with its raw JSON.
    Raises msgspec.DecodeError when the result is not a list.
    """
    events: list[NewEvent] = []
    ids: list[int] = []
    for raw in _updates.decode(result):
        update = bytes(raw)
        # Readers decode it far down their own stack: what passes here may be too deep for them.
        event, id = _to_event(flatten(update) if is_suspicious(update) else update, epoch, now)
        events.append(event)
        if id is not None:
            ids.append(id)
    return events, ids


def _to_event(raw: bytes, epoch: int, now: Callable[[], float]) -> tuple[NewEvent, int | None]:
    id: int | None = None
    try:
        update = _update.decode(raw)
        id = _id.decode(update["update_id"])
        for kind in update:
            if kind in _HANDLERS:
                return _HANDLERS[kind](kind, str(id), update[kind], raw, epoch, now), id
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
        pass  # the raw update is kept below, and whoever knows more can read it
    key = str(id) if id is not None else "sha256:" + hashlib.sha256(raw).hexdigest()
    return NewEvent(key, "unknown", now(), None, None, b"{}", _storable(raw), epoch), id


def _from_message(
    kind: str, key: str, value: msgspec.Raw, raw: bytes, epoch: int, now: Callable[[], float]
) -> NewEvent:
    message = _message.decode(value)
    sender = message.sender or message.sender_chat
    body: dict[str, Any] = {
        "message_id": str(message.message_id),
        "kind": "text",
        "text": message.text or message.caption or "",
        "chat_type": message.chat.type,
    }
    if sender is not None:
        body["sender_name"] = _name(sender)
    if message.reply_to_message is not None:
        body["reply_to"] = str(message.reply_to_message.message_id)
    if message.text is None:
        _describe(message, body)
    return NewEvent(
        key,
        kind,
        _time(message.edit_date or message.date, now),
        str(message.chat.id),
        str(sender.id) if sender is not None else None,
        _encoder.encode(body),
        raw,
        epoch,
    )


def _describe(message: _Message, body: dict[str, Any]) -> None:
    for kind in MEDIA_KINDS:
        value = getattr(message, kind)
        if value:
            # A photo comes in several sizes, the largest last.
            file = value[-1] if isinstance(value, list) else value
            body["kind"] = kind
            if isinstance(file, dict):
                names = {"file_id": "file_id", "file_name": "filename", "mime_type": "mime_type", "file_size": "size"}
                body["media"] = {ours: file[theirs] for theirs, ours in names.items() if theirs in file}
            return
    for kind in ("location", "contact", "poll"):
        if value := getattr(message, kind):
            body["kind"] = kind
            body[kind] = value
            return
    body["kind"] = "service"


def _from_other(kind: str, key: str, value: msgspec.Raw, raw: bytes, epoch: int, now: Callable[[], float]) -> NewEvent:
    other = _other.decode(value)
    chat = other.chat
    body: dict[str, Any] = {}
    if other.message_id is not None:
        body["message_id"] = str(other.message_id)
    if isinstance(other.message, dict):
        # A callback query carries the message that its button belongs to.
        inner = other.message.get("chat")
        if chat is None and isinstance(inner, dict) and isinstance(inner.get("id"), int):
            chat = _Peer(inner["id"])
        if isinstance(other.message.get("message_id"), int):
            body["message_id"] = str(other.message["message_id"])
    if isinstance(other.id, str):
        body["id"] = other.id
    for name in ("data", "query", "new_reaction", "option_ids"):
        if (field := getattr(other, name)) is not None:
            body[name] = field
    sender = other.sender or other.user
    return NewEvent(
        key,
        kind,
        _time(other.date, now) if other.date is not None else now(),
        str(chat.id) if chat is not None else None,
        str(sender.id) if sender is not None else None,
        _encoder.encode(body),
        raw,
        epoch,
    )


def _time(date: int, now: Callable[[], float]) -> float:
    return float(date) if 0 <= date < LATEST else now()


def _name(peer: _Peer) -> str:
    full = " ".join(part for part in (peer.first_name, peer.last_name) if part)
    return full or peer.title or peer.username or str(peer.id)


def _storable(raw: bytes) -> bytes:
    """JSON that every store takes: what is not UTF-8 is kept as text with replacement marks."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return _encoder.encode(raw.decode(errors="replace"))
    return raw


_HANDLERS = dict.fromkeys(MESSAGE_KINDS, _from_message) | dict.fromkeys(OTHER_KINDS, _from_other)
