"""The phone's history, which it sends after pairing.

A chunk of history may hold years. On arrival it is only cut into slices, without parsing, and the engine stores them, so the
next message waits only a moment, whatever the size. Later the engine sends the slices back one by one to be described.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from neonize.proto import Neonize_pb2 as reports
from neonize.proto.waHistorySync.WAWebProtobufsHistorySync_pb2 import HistorySync

from .addresses import GROUP, bare, parse_jid
from .events import contents, encoding, unreadable
from .events.found import Found, found
from .events.places import key_of, places
from .events.reporter import Reporter

CODE = 13
"""neonize's number for the report."""

TYPE = "history"
"""The type of a frame with slices; never stored as an event."""

SLICE, FRAME = 64 * 1024, 1024 * 1024
"""Bytes of one slice before compression, and of all slices in one frame."""

FULL = 2
"""`HistorySync.HistorySyncType` of the chunks that go back years; `recent` leaves them out."""

CHATS, PUSH_NAMES, SYNC_TYPE = 2, 7, 1  # fields of HistorySync
MESSAGES = 2  # field of Conversation
KEPT = frozenset({1, 5, 6, 12, 13, 38, 39, 42})
"""Fields of a conversation that are used: its address, times, unread messages, names, and the other address."""


def receive(client: Reporter, data: bytes, *, full: bool) -> None:
    """Cut one report and hand its slices to the engine; returns when they are durable."""
    history = unreadable.first_field(data, 1)
    if not full and _sync_type(history) == FULL:
        return
    batch: list[bytes] = []
    size = 0
    for each in slices(history):
        batch.append(zlib.compress(each, 1))
        size += len(batch[-1])
        if size >= FRAME:
            _hand_over(client, batch)
            batch, size = [], 0
    if batch:
        _hand_over(client, batch)


def _hand_over(client: Reporter, batch: list[bytes]) -> None:
    client.store(Found(TYPE, "", 0.0, None, None, b"null", msgspec.msgpack.encode(batch)))


def slices(history: bytes) -> Iterator[bytes]:
    """Serialised `HistorySync`s of about SLICE bytes each that together hold the chats and names of `history`."""
    head = b"".join(field for number, field, _ in unreadable.fields(history) if number == SYNC_TYPE)
    current, size = [head], len(head)
    for piece in _pieces(history):
        if size + len(piece) > SLICE and len(current) > 1:
            yield b"".join(current)
            current, size = [head], len(head)
        current.append(piece)
        size += len(piece)
    if len(current) > 1:
        yield b"".join(current)


def _pieces(history: bytes) -> Iterator[bytes]:
    """The fields of a HistorySync; a long conversation is split into several, each with some of its messages."""
    for number, field, value in unreadable.fields(history):
        if number == PUSH_NAMES:
            yield field
        elif number == CHATS:
            about, messages, size = [], [], 0
            for part, whole, _ in unreadable.fields(value):
                if part == MESSAGES:
                    messages.append(whole)
                elif part in KEPT:
                    about.append(whole)
            rest: list[bytes] = []
            for message in messages:
                if rest and size + len(message) > SLICE:
                    yield unreadable.field(CHATS, b"".join(about + rest))
                    rest, size = [], 0
                rest.append(message)
                size += len(message)
            yield unreadable.field(CHATS, b"".join(about + rest))


def _sync_type(history: bytes) -> int:
    head = b"".join(field for number, field, _ in unreadable.fields(history) if number == SYNC_TYPE)
    return int(HistorySync.FromString(head).syncType) if head else 0


def describe(client: Reporter, data: bytes, name_of: Callable[[Any], str]) -> list[Found]:
    """The events for one slice made by `slices`. `name_of` returns a person's name. Raises DecodeError."""
    history = encoding.mend(HistorySync.FromString(data))
    events: list[Found] = []
    for chat in history.conversations:
        events += _chat(client, chat, name_of)
    for each in history.pushnames:
        jid = parse_jid(each.ID)
        if each.pushname and not name_of(jid):
            source = reports.MessageSource(Chat=jid, Sender=jid, IsFromMe=False, IsGroup=False)
            id, _, place = places(client, source)
            events.append(_about_chat(id, place, each.pushname, 0.0, {}))
    return events


def _chat(client: Reporter, chat: Any, name_of: Callable[[Any], str]) -> Iterable[Found]:
    jid, other = parse_jid(chat.ID), parse_jid(chat.pnJID or chat.lidJID) if chat.pnJID or chat.lidJID else None
    group = jid.Server == GROUP
    name = chat.name or chat.displayName or ("" if group else name_of(jid) or (name_of(other) if other else ""))
    where: tuple[str, dict[str, Any]] | None = None
    incoming: list[float] = []
    for each in chat.messages:
        message = each.message
        source = _source(client, message, jid, other, group=group)
        id, sender, place = places(client, source)
        where = id, place
        if not message.HasField("message") or not message.key.ID:
            continue  # a system notice: a separate number says what happened
        if not message.key.fromMe:
            incoming.append(float(message.messageTimestamp))
        if event := _message(client, message, source, (id, sender, place), name):
            yield event
    if where is None:
        source = reports.MessageSource(Chat=jid, Sender=jid, IsFromMe=False, IsGroup=group)
        id, _, place = places(client, source)
        where = id, place
    last = float(chat.lastMsgTimestamp or chat.conversationTimestamp or max(incoming, default=0.0))
    unread = chat.unreadCount
    # WhatsApp lists the newest message first. The owner has read everything before the last `unread` received ones.
    read = last if not unread else incoming[unread] if unread < len(incoming) else 0.0
    more = {"unread": unread} | ({"receipt": "read_self"} if read else {})
    yield _about_chat(where[0], where[1], name, read, more)


def _about_chat(id: str, place: dict[str, Any], name: str, at: float, more: dict[str, Any]) -> Found:
    chat = place["chat"] | ({"name": name} if name else {})
    body = {"chat_type": place["chat_type"], "chat": chat} | more
    key = f"history/{id}/chat:{encoding.digest(encoding.encode_body(body))}"
    return found("history.chat", key, at, id, None, body, b"null")


def _source(client: Reporter, message: Any, jid: Any, other: Any, *, group: bool) -> Any:
    mine = message.key.fromMe
    author = message.participant or message.key.participant
    me = client.library.me
    if author:
        sender = parse_jid(author)
    elif mine and me:
        sender = me.JID
    else:
        sender = jid
    source = reports.MessageSource(Chat=jid, Sender=sender, IsFromMe=mine, IsGroup=group)
    if other is not None and not group:
        (source.RecipientAlt if mine else source.SenderAlt).CopyFrom(other)
    return source


def _message(
    client: Reporter, message: Any, source: Any, where: tuple[str, str | None, dict[str, Any]], name: str
) -> Found | None:
    chat, sender, place = where
    id = message.key.ID
    kind, body = contents.describe(message.message, id)
    if kind != "message":
        return None  # the phone has already applied edits and the like
    body |= place
    if name:
        body["chat"] = place["chat"] | {"name": name}
    if message.pushName:
        body["sender_name"] = message.pushName
    if message.starred:
        body["starred"] = True
    if message.reactions:
        body["reactions"] = [_reaction(each) for each in message.reactions if each.text]
    info = reports.MessageInfo(MessageSource=source, ID=id, Timestamp=int(message.messageTimestamp) * 1000)
    raw = reports.Message(Info=info, Message=message.message)
    at = float(message.messageTimestamp)
    return found("history.message", f"history/{key_of(source, id)}", at, chat, sender, body, raw)


def _reaction(each: Any) -> dict[str, Any]:
    author = each.key.participant or each.key.remoteJID
    sender = None if each.key.fromMe or not author else bare(parse_jid(author))
    return {"sender": sender, "from_me": each.key.fromMe, "emoji": each.text}
