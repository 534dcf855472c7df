"""What is known of a file, and what a store does with that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec


class MediaOrigin(StrEnum):
    """How a file came here."""

    UPLOADED = "uploaded"
    INBOUND = "inbound"


class MediaState(StrEnum):
    """Where a file is."""

    WAITING = "waiting"  # is to be fetched from its platform
    STORED = "stored"
    FAILED = "failed"  # could not be fetched; asking for it tries again


class MediaFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `size`, `sha256` (hex) and `place` are known once it is stored; `place` is the storage's name.

    `due_at`: when there is something to do for it: to fetch it, or to tell in the event log what became of that.
    """

    id: str
    session: str | None
    origin: MediaOrigin
    state: MediaState
    content_type: str
    filename: str | None = None
    size: int | None = None
    sha256: str | None = None
    place: str | None = None
    event: int | None = None
    error: str | None = None
    attempts: int = 0
    due_at: float | None = None
    created_at: float
    expires_at: float


def id_of_event(event: int) -> str:
    """The id of the file that came with an event; there is at most one."""
    return f"event-{event}"


def event_of_id(id: str) -> int | None:
    """The inverse of `id_of_event`."""
    digits = id.removeprefix("event-")
    return int(digits) if digits != id and digits.isascii() and digits.isdigit() and len(digits) < 19 else None


class MediaQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to list, newest first; `before` is the number of the last one seen."""

    session: str | None = None
    sessions: tuple[str, ...] | None = None  # any of these; what one caller may see
    origin: MediaOrigin | None = None
    state: MediaState | None = None
    before: int | None = None
    limit: int = 100


class MediaStore(Protocol):
    """Part of every store, with its promises. Files of a session go with it."""

    async def put_media(self, file: MediaFile) -> MediaFile:
        """Insert, or replace what is known of the file with this id. Raises NotFound (session)."""

    async def get_media(self, id: str) -> MediaFile:
        """Raises NotFound."""

    async def list_media(self, query: MediaQuery) -> Sequence[tuple[int, MediaFile]]:
        """With the number of each."""

    async def delete_media(self, id: str) -> bool:
        """False when there was none."""

    async def extend_media(self, id: str, until: float) -> bool:
        """Let it expire at `until` at the earliest. False when there is none."""

    async def plan_media(self, files: Collection[MediaFile], cursor: int) -> None:
        """Insert those that are not there yet and whose sessions exist, and remember how far the event log was read."""

    async def media_cursor(self) -> int | None:
        """What the last `plan_media` remembered."""

    async def due_media(self, sessions: Collection[str], *, now: float, limit: int) -> Sequence[MediaFile]:
        """Those of these sessions whose `due_at` has come, the earliest first."""

    async def expire_media(self, place: str, *, now: float, limit: int) -> Sequence[str]:
        """Delete up to `limit` rows past `expires_at` of files at `place` or nowhere; returns their ids. Rows of other places
        go `ELSEWHERE_GRACE` later: if nobody has cleaned them by then, nobody will."""

    async def known_media(self, ids: Collection[str], place: str) -> set[str]:
        """Which of these have a row that says they are at `place`."""


ELSEWHERE_GRACE = 7 * 86_400.0  # seconds
