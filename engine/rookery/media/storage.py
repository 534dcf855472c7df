"""The contract of a storage for the bytes of files."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from ..errors import InvalidInput
from .spool import Spool

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
"""Ids of files become names in storages, so only these characters are allowed."""


class MediaStorage(Protocol):
    """Bytes by id. A file exists completely or not at all.

    Each method raises StorageFull or StorageUnavailable; the caller sets the deadline.
    """

    @property
    def place(self) -> str:
        """Identifies the files that this storage reaches: two storages with the same place have the same files."""

    @property
    def location(self) -> str:
        """The storage's location for people, without secrets."""

    @property
    def shared(self) -> bool:
        """True when every instance with the same configuration reaches the same files."""

    @property
    def begun(self) -> bool:
        """False as long as the storage cannot contain any file."""

    @property
    def spools(self) -> Path:
        """The directory of temporary files, created when needed."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """Open the storage while the engine runs. Touches nothing before the first file arrives."""

    async def keep(self, id: str, spool: Spool) -> None:
        """Take over the finished file; it is durable when this returns. A file with this id is replaced."""

    def read(self, id: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """`size` bytes from `start`, in pieces, until the generator is closed. Raises FileNotFoundError."""

    def local(self, id: str) -> AbstractAsyncContextManager[Path]:
        """A path to the bytes, valid inside the block. Raises FileNotFoundError."""

    async def remove(self, ids: Collection[str]) -> None:
        """Remove these files; missing ones are skipped."""

    def older_than(self, seconds: float) -> AsyncGenerator[Sequence[str]]:
        """The ids of all files stored earlier than this many seconds ago, in batches; for the cleaner."""


def check_id(id: str) -> str:
    """Raises InvalidInput unless `id` is a valid id of a file."""
    if not ID.fullmatch(id):
        raise InvalidInput("this is not the id of a file", field="media")
    return id
