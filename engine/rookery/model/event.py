"""An event of the log, before and after it is stored. Event ids are integers that grow in storage order."""

from __future__ import annotations

from typing import Any

import msgspec


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that a platform reported, before it is stored.

    `key` is unique within (session, `epoch`): the same key again is the same event. `chat` orders deliveries. `body`
    and `raw` are JSON bytes: the normalised fields, and the platform's own document.
    """

    key: str
    type: str
    time: float
    chat: str | None
    sender: str | None
    body: bytes
    raw: bytes
    epoch: int = 0


class Event(msgspec.Struct, frozen=True):
    """A stored event (F2). `id` grows in storage order and is the cursor of every reader."""

    id: int
    session: str
    platform: str
    type: str
    key: str
    time: float
    chat: str | None
    sender: str | None
    body: dict[str, Any]
    raw: Any


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to read; ordered by id, `after` and `before` are exclusive. Types as in `rookery.model.subscription`.

    With `before`, a page has the newest events that fit instead of the oldest: for paging back.
    """

    after: int = 0
    before: int | None = None
    session: str | None = None
    sessions: tuple[str, ...] | None = None  # any of these; the sessions that one caller may see
    types: tuple[str, ...] | None = None  # names and patterns; None: every type, including quiet ones
    chat: str | None = None
    limit: int = 100
