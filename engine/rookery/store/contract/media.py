"""What a store keeps of files; their bytes are in a media storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ...model.media import MediaFile, MediaQuery

ELSEWHERE_GRACE = 7 * 86_400.0  # seconds


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
