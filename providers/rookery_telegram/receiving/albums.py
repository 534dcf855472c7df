"""Gathers the parts of a media group into one event. Pure.

Telegram sends an album as separate messages that share a `media_group_id`, and never says how many there are. The parts are
stored as they come; those that wait for the others stand in the session's cursor, which the same transaction stores. So no
part is forgotten when the process is killed or another instance takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rookery.model.event import NewEvent

TYPE = "album"
PART_TYPES = frozenset({"message", "channel_post", "business_message"})
MAX_PARTS = 10
REMEMBERED = 20
"""Number of gathered albums to remember, in case the server repeats their parts."""

_SHARED = (
    "media_group_id",
    "chat_type",
    "chat",
    "sender",
    "sender_name",
    "sender_chat",
    "thread_id",
    "business_connection_id",
    "forward",
    "via_bot",
    "reply_to",
)
"""Fields of a message that are the same for all parts."""


class Album(msgspec.Struct, frozen=True, omit_defaults=True):
    """An album that may get more parts until `due` (seconds since the epoch). `parts` are the bodies of its messages, each
    with the `key` of its own event. `time` is the time of its first part."""

    chat: str
    group: str
    type: str
    due: float
    time: float
    parts: tuple[dict[str, Any], ...]
    sender: str | None = None


class Gathered(msgspec.Struct, frozen=True):
    """An album whose event was stored, with the ids of its messages."""

    chat: str
    group: str
    messages: tuple[str, ...]


def collect(
    waiting: Sequence[Album], gathered: Sequence[Gathered], events: Sequence[NewEvent], *, now: float, pause: float
) -> tuple[Album, ...]:
    """The albums that wait after these events are stored; each new part restarts the pause of its album."""
    albums = {(album.chat, album.group): album for album in waiting}
    known = {(album.chat, album.group, id) for album in gathered for id in album.messages}
    for event in events:
        if event.type not in PART_TYPES or event.chat is None or b'"media_group_id"' not in event.body:
            continue
        body = msgspec.json.decode(event.body)
        group, id = body.get("media_group_id"), body["message_id"]
        if not isinstance(group, str) or (event.chat, group, id) in known:
            continue
        known.add((event.chat, group, id))
        place = (event.chat, group)
        album = albums.get(place) or Album(event.chat, group, event.type, now, event.time, (), event.sender)
        if any(part["message_id"] == id for part in album.parts):
            continue
        parts = (*album.parts, body | {"key": event.key})
        album = msgspec.structs.replace(album, parts=parts, due=now + pause)
        albums[place] = msgspec.structs.replace(album, due=now) if is_full(album) else album
    return tuple(albums.values())


def is_full(album: Album) -> bool:
    """Whether the album has as many parts as one can have."""
    return len(album.parts) >= MAX_PARTS


def is_ripe(album: Album, *, now: float, pause: float) -> bool:
    """Whether the pause is over. If the clock was set back, the album counts as ripe, so that it is not late."""
    return album.due <= now or album.due > now + pause


def remember(gathered: Sequence[Gathered], albums: Sequence[Album]) -> tuple[Gathered, ...]:
    """The albums gathered last, including these."""
    new = (Gathered(album.chat, album.group, tuple(part["message_id"] for part in album.parts)) for album in albums)
    return (*gathered, *new)[-REMEMBERED:]


def to_event(album: Album) -> NewEvent:
    """One event for all parts, in the order of their messages. Parts that arrive later become another album."""
    parts = sorted(album.parts, key=lambda part: int(part["message_id"]))
    first = parts[0]
    body = {name: first[name] for name in _SHARED if name in first}
    body |= {
        "source": album.type,
        "text": next((part["text"] for part in parts if part["text"]), ""),
        "message_ids": [part["message_id"] for part in parts],
        "parts": parts,
    }
    encoded = msgspec.json.encode(body)
    key = f"{TYPE}:{album.chat}:{album.group}:{first['message_id']}"
    return NewEvent(key, TYPE, album.time, album.chat, album.sender, encoded, encoded)
