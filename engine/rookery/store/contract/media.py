"""What a store keeps about files; their bytes are in a media storage."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ...model.media import MediaFile, MediaQuery

ELSEWHERE_GRACE = 7 * 86_400.0  # seconds


class MediaStore(Protocol):
    """Part of every store, under the promises in `store.contract`. Deleting a session deletes the rows of its files."""

    async def put_media(self, file: MediaFile) -> MediaFile:
        """Insert the file, or replace the facts of the file with this id. Raises NotFound (session)."""

    async def get_media(self, id: str) -> MediaFile:
        """Raises NotFound."""

    async def list_media(self, query: MediaQuery) -> Sequence[tuple[int, MediaFile]]:
        """Files, each with its number."""

    async def delete_media(self, id: str) -> bool:
        """False when the file does not exist."""

    async def extend_media(self, id: str, until: float) -> bool:
        """Let the file expire no earlier than `until`. False when it does not exist."""

    async def plan_media(self, files: Collection[MediaFile], cursor: int) -> None:
        """Insert the files that are new and whose sessions exist, and remember up to which event the log was read."""

    async def media_cursor(self) -> int | None:
        """The cursor that the last `plan_media` stored."""

    async def due_media(self, sessions: Collection[str], *, now: float, limit: int) -> Sequence[MediaFile]:
        """Files of these sessions whose `due_at` has come, the earliest first."""

    async def expire_media(self, place: str, *, now: float, limit: int) -> Sequence[str]:
        """Delete up to `limit` rows past `expires_at` of files at `place` or without a place; returns their ids. Rows
        of other places are deleted `ELSEWHERE_GRACE` later: an instance that has not deleted the files by then never
        will."""

    async def known_media(self, ids: Collection[str], place: str) -> set[str]:
        """The given ids that have a row with this `place`."""
