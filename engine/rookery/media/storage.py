"""Where the bytes of files are: what a storage promises."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from ..errors import InvalidInput
from .spool import Spool

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
"""Ids of files are names in storages, so nothing else gets that far."""


class MediaStorage(Protocol):
    """Bytes by id. A file is there completely or not at all.

    Each method raises StorageFull or StorageUnavailable; the caller sets the deadline.
    """

    @property
    def place(self) -> str:
        """Names what this storage reaches: two storages with the same place have the same files."""

    @property
    def location(self) -> str:
        """For people; without secrets."""

    @property
    def shared(self) -> bool:
        """True when every instance that is set up alike reaches the same files."""

    @property
    def begun(self) -> bool:
        """False as long as no file can be there."""

    @property
    def spools(self) -> Path:
        """The directory of temporary files; made when it is needed."""

    def open(self) -> AbstractAsyncContextManager[object]:
        """While the engine runs. Touches nothing before the first file comes."""

    async def keep(self, id: str, spool: Spool) -> None:
        """Take over the finished file; it is durable when this returns. A file with this id is replaced."""

    def read(self, id: str, start: int, size: int) -> AsyncGenerator[bytes]:
        """`size` bytes from `start`, in pieces, until the generator is closed. Raises FileNotFoundError."""

    def local(self, id: str) -> AbstractAsyncContextManager[Path]:
        """A path that leads to the bytes inside the block. Raises FileNotFoundError."""

    async def remove(self, ids: Collection[str]) -> None:
        """Those that are not there are passed over."""

    def older_than(self, seconds: float) -> AsyncGenerator[Sequence[str]]:
        """The ids of all files that came before, some at a time; for the cleaner."""


def check_id(id: str) -> str:
    """Raises InvalidInput unless `id` is a valid id of a file."""
    if not ID.fullmatch(id):
        raise InvalidInput("this is no id of a file", field="media")
    return id
