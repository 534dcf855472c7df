"""Failures to store or read a file."""

from __future__ import annotations

from .base import RookeryError


class MediaError(RookeryError):
    """A file could not be stored or read."""


class MediaTooLarge(MediaError):
    """The file has more than `limit` bytes; no part of it was kept."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the file is too large: {limit} bytes are allowed")
        self.limit = limit


class StorageFull(MediaError):
    """The storage has no room for the file; no part of it was kept."""


class StorageUnavailable(MediaError):
    """The storage does not answer or refuses; the text says which and why."""


class MediaExpired(MediaError):
    """The platform no longer keeps the file, so it can never be fetched."""


class StoredElsewhere(MediaError):
    """The file is in a directory of another instance, which this one cannot reach."""
