"""A stored file: where it came from and where it is."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class MediaOrigin(StrEnum):
    """How a file came here."""

    UPLOADED = "uploaded"
    INBOUND = "inbound"


class MediaState(StrEnum):
    """Where a file is."""

    WAITING = "waiting"  # waits to be fetched from its platform
    STORED = "stored"
    FAILED = "failed"  # could not be fetched; a request for it tries again


class MediaFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `size`, `sha256` (hex) and `place` are known once it is stored; `place` is the storage's name.

    `due_at`: when the engine must act on the file: fetch it, or report the result in the event log.
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
    """The id of the file that came with an event; an event has at most one."""
    return f"event-{event}"


def event_of_id(id: str) -> int | None:
    """The inverse of `id_of_event`."""
    digits = id.removeprefix("event-")
    return int(digits) if digits != id and digits.isascii() and digits.isdigit() and len(digits) < 19 else None


class MediaQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to list, newest first; `before` is the number of the last file seen."""

    session: str | None = None
    sessions: tuple[str, ...] | None = None  # any of these; the sessions that one caller may see
    origin: MediaOrigin | None = None
    state: MediaState | None = None
    before: int | None = None
    limit: int = 100
