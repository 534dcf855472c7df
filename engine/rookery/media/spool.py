"""A temporary file on its way into a storage: bounded, measured, and deleted unless it is kept."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..errors import MediaTooLarge, StorageFull, StorageUnavailable
from ..runtime.threads import on_files

BLOCK = 1024 * 1024
"""Bytes that a thread writes or reads at a time."""

SUFFIX = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

T = TypeVar("T")


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Translates the operating system's errors into ours; a missing file stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"{what}: there is no room left") from None
        raise StorageUnavailable(f"{what}: {error.strerror or type(error).__name__}") from None


async def in_thread(what: str, work: Callable[[], T]) -> T:
    """Run work on files outside the event loop. Raises StorageFull, StorageUnavailable."""
    with storage_errors(what):
        return await on_files(work)


class Spool:
    """Receives the bytes of one file. `size` and `sha256` (hex) are correct once it is finished."""

    def __init__(self, path: Path, descriptor: int, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.size = 0
        self.sha256 = ""
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._waiting = bytearray()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append data. Raises MediaTooLarge as soon as there are more than `limit` bytes; StorageFull,
        StorageUnavailable."""
        self.size += len(data)
        if self.size > self.limit:
            raise MediaTooLarge(self.limit)
        self._waiting += data
        if len(self._waiting) >= BLOCK:
            await self._flush()

    async def adopt(self) -> None:
        """Measure the file at `path`, which other code has written. Raises like `write`."""

        def measure() -> None:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size > self.limit:
                    raise MediaTooLarge(self.limit)
                while block := file.read(BLOCK):
                    self._digest.update(block)
                    self.size += len(block)

        self._waiting.clear()
        self.size, self._digest = 0, hashlib.sha256()
        await in_thread("the temporary file cannot be read", measure)

    async def finish(self) -> None:
        """All data has been written: make the file durable. Raises like `write`."""
        await self._flush()
        await in_thread("the file cannot be written", lambda: os.fsync(self._descriptor))
        self.sha256 = self._digest.hexdigest()

    async def _flush(self) -> None:
        block, self._waiting = self._waiting, bytearray()

        def write() -> None:
            self._digest.update(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

        if block:
            await in_thread("the file cannot be written", write)


@asynccontextmanager
async def open_spool(directory: Path, limit: int) -> AsyncIterator[Spool]:
    """A new temporary file in `directory`, for at most `limit` bytes; removed at the end of the block if it still
    exists.

    Raises StorageFull, StorageUnavailable.
    """
    path = directory / f"{secrets.token_hex(16)}{SUFFIX}"

    def create() -> int:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    descriptor = await in_thread(f"no temporary file can be made in {directory}", create)
    try:
        yield Spool(path, descriptor, limit)
    finally:
        # Not in a thread: a cancellation of this task must not postpone it, and it is fast.
        os.close(descriptor)
        with suppress(OSError):
            path.unlink(missing_ok=True)


def forget_spools(directory: Path, before: float) -> int:
    """Remove the temporary files last written to before `before` (seconds since the epoch): the processes that wrote
    them are gone. Returns how many. Blocks."""
    gone = 0
    with suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            with suppress(FileNotFoundError):
                if entry.name.endswith(SUFFIX) and entry.stat(follow_symlinks=False).st_mtime < before:
                    Path(entry.path).unlink()
                    gone += 1
    return gone
