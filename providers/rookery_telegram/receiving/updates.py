"""Converts updates to events: pure, total and one at a time, so that a strange update affects no other.

The kinds and fields are those of the Bot API's `Update` and `Message` objects (core.telegram.org/bots/api, 10.3).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from rookery.model.event import NewEvent

from ..bot_api.errors import Answer, read_answer
from ..bot_api.nesting import flatten, is_suspicious
from .messages import message_body, sender_of
from .others import OTHER_KINDS, facts_of
from .peers import peer_id, whole
from .plain import LATEST, UpdateId, plain_answer, plain_text

MESSAGE_KINDS = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_message",
    "edited_business_message",
    "guest_message",
)
ALL_KINDS = (*MESSAGE_KINDS, *OTHER_KINDS)
"""Requested by name: the server's default leaves out three of them."""


_updates = msgspec.json.Decoder(list[msgspec.Raw])
_update = msgspec.json.Decoder(dict[str, msgspec.Raw])
_content = msgspec.json.Decoder(dict[str, Any])
_id = msgspec.json.Decoder(UpdateId)
_encoder = msgspec.json.Encoder()


def read_updates(
    answer: Answer, *, epoch: int = 0, now: Callable[[], float] = time.time
) -> tuple[list[NewEvent], Sequence[int]]:
    """The events of one answer to getUpdates, in order, and the update ids. Raises ApiError, and like `to_events`."""
    status, headers, body = answer
    if status == 200 and (plain := plain_answer(body, epoch)) is not None:
        return plain
    return to_events(read_answer(status, headers, body), epoch=epoch, now=now)


def to_events(
    result: msgspec.Raw, *, epoch: int = 0, now: Callable[[], float] = time.time
) -> tuple[list[NewEvent], Sequence[int]]:
    """The events of one getUpdates result, in order, and the update ids.

    Never raises for what an update holds: an unknown or malformed one becomes an event of type `unknown` with its raw JSON.
    Raises msgspec.DecodeError when the result is not a list.
    """
    text = _text(bytes(result))
    raws = _updates.decode(text)
    events: list[NewEvent] = []
    ids: list[int] = []
    for raw in raws:
        update = bytes(raw)
        # Readers decode it deeper in their own stack: nesting that this decoder accepts may be too deep for them.
        flat = flatten(update) if is_suspicious(update) else update
        event, id = plain_text(flat, epoch) or _to_event(flat, epoch, now)
        events.append(event)
        if b'"migrate_' in update and (migrated := _migration(event)) is not None:
            events.append(migrated)
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
    except (msgspec.MsgspecError, KeyError, ValueError, OverflowError, RecursionError):
        pass  # the raw update is kept below, for readers that can interpret it
    key = str(id) if id is not None else "sha256:" + hashlib.sha256(raw).hexdigest()
    return NewEvent(key, "unknown", now(), None, None, b"{}", raw, epoch), id


def _migration(event: NewEvent) -> NewEvent | None:
    """When a group becomes a supergroup, Telegram sends a message to both chats: one extra event for both."""
    body = msgspec.json.decode(event.body)
    if body.get("kind") not in ("migrate_to_chat_id", "migrate_from_chat_id") or event.chat is None:
        return None
    other = body[body["kind"]]
    old, new = (event.chat, other) if body["kind"] == "migrate_to_chat_id" else (other, event.chat)
    return migration(old, new, event.time)


def migration(old: str, new: str, time: float) -> NewEvent:
    """The event of a group whose id has changed. Its key is the same however Rookery learned of the change."""
    body = _encoder.encode({"from": old, "to": new})
    return NewEvent(f"migrated:{old}:{new}", "chat_migrated", time, old, None, body, body)


def _from_message(
    kind: str, key: str, value: msgspec.Raw, raw: bytes, epoch: int, now: Callable[[], float]
) -> NewEvent:
    message = _content.decode(value)
    body = message_body(message)
    edited = message.get("edit_date")
    return NewEvent(
        key,
        kind,
        _time(whole(message.get("date")) if edited is None else whole(edited), now),
        peer_id(message.get("chat")),
        peer_id(sender_of(message)),
        _encoder.encode(body),
        raw,
        epoch,
    )


def _from_other(kind: str, key: str, value: msgspec.Raw, raw: bytes, epoch: int, now: Callable[[], float]) -> NewEvent:
    facts = facts_of(kind, _content.decode(value))
    time = _time(facts.time, now) if type(facts.time) is int else now()
    return NewEvent(key, kind, time, facts.chat, facts.sender, _encoder.encode(facts.body), raw, epoch)


def _time(date: int, now: Callable[[], float]) -> float:
    return float(date) if 0 <= date < LATEST else now()


def _text(raw: bytes) -> bytes:
    """JSON that every store and reader accepts: invalid UTF-8 becomes replacement characters."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="replace").encode()
    return raw


_HANDLERS = dict.fromkeys(MESSAGE_KINDS, _from_message) | dict.fromkeys(OTHER_KINDS, _from_other)
