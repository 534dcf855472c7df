"""A fast path for the most frequent update, a plain text message. Pure.

It makes exactly the event that `updates` makes of the same update, several times as fast, and returns None for all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from rookery.model.event import NewEvent

from ..bot_api.nesting import is_suspicious
from .peers import peer

LATEST = 253_402_300_800
"""The end of the calendar, in seconds since the epoch."""

MOST_PEERS = 4096
"""Maximum number of users and chats, and of pairs of them, as the server wrote them, whose part of a body is cached."""

LONGEST_PEER = 1024
"""Maximum bytes of a user or chat on the fast path."""

UpdateId = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""The range of valid update ids: any other id would make a wrong offset."""

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _Message(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    message_id: Int64
    sender: msgspec.Raw = msgspec.field(name="from")
    chat: msgspec.Raw
    date: Annotated[int, msgspec.Meta(ge=0, lt=LATEST)]
    text: str


class _Update(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    update_id: UpdateId
    message: _Message


class _Peer(msgspec.Struct, frozen=True, gc=False):
    id: str
    as_chat: bytes  # the members of a body that describe it as the chat
    as_sender: bytes


_BEGINNING = b'{"ok":true,"result":['
_END = b"]}"

_update = msgspec.json.Decoder(_Update)
_updates = msgspec.json.Decoder(list[_Update])
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_peer = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


def plain_text(raw: bytes, epoch: int) -> tuple[NewEvent, int] | None:
    """The event and the id of an update; None when it is not a plain text message, or not a valid one."""
    try:
        update = _update.decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    events = _events([update], [raw], epoch)
    return None if events is None else (events[0], update.update_id)


def plain_answer(body: bytes, epoch: int) -> tuple[list[NewEvent], list[int]] | None:
    """The events and the ids of a whole answer to getUpdates; None unless it begins as the Bot API server writes
    it and each update is a plain text message. All updates are read at once."""
    if not (body.startswith(_BEGINNING) and body.endswith(_END)):
        return None
    result = body[len(_BEGINNING) - 1 : -1]
    try:
        updates = _updates.decode(result)
        result.decode()  # the decoder looks only at the texts that it makes
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    events = _events(updates, map(bytes, _raws.decode(result)), epoch)
    return None if events is None else (events, [update.update_id for update in updates])


def _events(updates: Iterable[_Update], raws: Iterable[bytes], epoch: int) -> list[NewEvent] | None:
    """One event for each update, in a loop that calls little; None when a user or chat is not a usual one."""
    events = []
    for update, raw in zip(updates, raws, strict=True):
        message = update.message
        pair = bytes(message.sender), bytes(message.chat)
        peers = _known.get(pair)
        if peers is None:
            peers = _peers_of(pair)
            if peers is None:
                return None
        chat, sender, end = peers
        # The members and their order are those of `messages.message_body`.
        body = b'{"message_id":"%d","kind":"text","text":%b%b' % (message.message_id, _encode(message.text), end)
        events.append(NewEvent(str(update.update_id), "message", float(message.date), chat, sender, body, raw, epoch))
    return events


_known: dict[tuple[bytes, bytes], tuple[str, str, bytes]] = {}


def _peers_of(pair: tuple[bytes, bytes]) -> tuple[str, str, bytes] | None:
    """The ids of a chat and of a sender, and the end of a body, which describes them. `pair`: sender and chat as written."""
    if max(map(len, pair)) > LONGEST_PEER:
        return None
    sender, chat = map(_peer_of, pair)
    if sender is None or chat is None:
        return None
    if len(_known) >= MOST_PEERS:
        _known.clear()
    peers = _known[pair] = (chat.id, sender.id, b",%b,%b}" % (chat.as_chat, sender.as_sender))
    return peers


@lru_cache(maxsize=MOST_PEERS)
def _peer_of(raw: bytes) -> _Peer | None:
    if is_suspicious(raw):
        return None
    try:
        value = _peer.decode(raw)
        shown = peer(value)
        if shown is None or not -(2**63) <= value["id"] < 2**63:
            return None
        type = value.get("type")
        as_chat = _encode({"chat_type": type if isinstance(type, str) else None, "chat": shown})
        return _Peer(shown["id"], as_chat[1:-1], _encode({"sender_name": shown["name"], "sender": shown})[1:-1])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
