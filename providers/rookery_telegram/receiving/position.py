"""A bot's position in its queue of updates. Pure.

The server forgets everything below an offset when it receives it, replays lower ids when the offset lies far beyond its
queue, and starts at a random id after a week without updates (tdlib/td, TQueue; tdlib/telegram-bot-api, Client).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rookery.model.event import NewEvent

from .albums import Album, Gathered, collect, remember

IDLE_RESTART = 6 * 86_400.0
"""Seconds without updates after which ids may have started anew; the server's week, less a day."""

OVERFLOW_ZONE = 2**31 - 10_000_000
"""Beyond this difference, a lower id means that the ids wrapped."""


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """`offset` is the next getUpdates offset (0: from the head). `epoch` counts restarts of the ids: a key is unique in one
    epoch. `at` is when the last update was stored. `bot` is the id of the bot that owns the queue.
    `albums` wait for more parts; `gathered` are the albums that were completed last."""

    offset: int = 0
    epoch: int = 0
    at: float = 0.0
    bot: str = ""
    albums: tuple[Album, ...] = ()
    gathered: tuple[Gathered, ...] = ()

    @classmethod
    def load(cls, cursor: str | None, bot: str) -> Position:
        """Read a stored cursor; None means the beginning.

        If the session now has another bot's token, the old offset would confirm updates that this session never
        received, and the new ids would look like known ones. So another bot begins at the head of its own queue, in an
        epoch of its own.
        """
        if not cursor:
            return cls(bot=bot)
        position = msgspec.json.decode(cursor, type=cls)
        if position.bot and position.bot != bot:
            return cls(epoch=position.epoch + 1, bot=bot)
        return msgspec.structs.replace(position, bot=bot)

    def dump(self) -> str:
        """The position as a cursor for the store."""
        return msgspec.json.encode(self).decode()

    def epoch_of(self, ids: Sequence[int], now: float) -> int:
        """The epoch that a received batch belongs to."""
        if not ids or not self.offset or self.offset <= ids[0] <= self.offset + 10_000:
            return self.epoch
        idle = self.at and now - self.at > IDLE_RESTART
        wrapped = ids[0] < self.offset and self.offset > OVERFLOW_ZONE and ids[0] < 10_000_000
        return self.epoch + 1 if idle or wrapped else self.epoch

    def after(self, ids: Sequence[int], epoch: int, now: float) -> Position:
        """The position after a stored batch. Accepts lower ids than requested: the server went back."""
        return msgspec.structs.replace(self, offset=ids[-1] + 1, epoch=epoch, at=now) if ids else self

    def with_parts(self, events: Sequence[NewEvent], *, now: float, pause: float) -> Position:
        """The position once these events are stored: their parts of albums wait for the others."""
        return msgspec.structs.replace(self, albums=collect(self.albums, self.gathered, events, now=now, pause=pause))

    def without(self, albums: Sequence[Album]) -> Position:
        """The position once the events of these albums are stored."""
        left = tuple(album for album in self.albums if album not in albums)
        return msgspec.structs.replace(self, albums=left, gathered=remember(self.gathered, albums))
