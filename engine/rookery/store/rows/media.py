"""Rows of files to our nouns and back, the same for every kind of database."""

from __future__ import annotations

from ...model.media import MediaFile, MediaOrigin, MediaState
from .unreadable import Troubles
from .values import Row

MEDIA_COLUMNS = (
    "id, session, origin, state, content_type, filename, size, sha256, place, event, error, attempts, due_at, "
    "created_at, expires_at"
)
CHANGED_COLUMNS = ("state", "content_type", "filename", "size", "sha256", "place", "error", "attempts", "due_at")
"""The columns that a second `put_media` replaces; it also moves `expires_at` forward, never back."""


def media_to_row(file: MediaFile) -> Row:
    """For `MEDIA_COLUMNS`."""
    return (
        file.id,
        file.session,
        file.origin.value,
        file.state.value,
        file.content_type,
        file.filename,
        file.size,
        file.sha256,
        file.place,
        file.event,
        file.error,
        file.attempts,
        file.due_at,
        file.created_at,
        file.expires_at,
    )


def media_from_row(row: Row) -> MediaFile:
    """From `MEDIA_COLUMNS`."""
    troubles = Troubles()
    origin = troubles.read("origin", lambda: MediaOrigin(row[2]), MediaOrigin.UPLOADED)
    state = troubles.read("state", lambda: MediaState(row[3]), MediaState.FAILED)
    return MediaFile(
        id=row[0],
        session=row[1],
        origin=origin,
        state=state,
        content_type=row[4],
        filename=row[5],
        size=row[6],
        sha256=row[7],
        place=row[8],
        event=row[9],
        error=row[10] or troubles.words,
        attempts=row[11],
        due_at=row[12],
        created_at=row[13],
        expires_at=row[14],
    )
