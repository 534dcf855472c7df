"""Files in a directory.

`DIRECTORY/7f/<id>`: the middle part of the path is derived from the id, so that no directory grows without bounds.
`DIRECTORY/place` holds the name of this directory, the same for every instance that has it mounted. `DIRECTORY/tmp`
holds incoming files; an atomic rename moves each to its place.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from .spool import BLOCK, Spool, in_thread
from .storage import ID, check_id

PLACE = "place"
SPOOLS = "tmp"
LISTED = 500  # ids at a time


class DiskStorage:
    """Implements `MediaStorage`. Without a directory the files are temporary: they are gone when it is closed."""

    shared = False

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory.absolute() if directory is not None else None
        self._temporary = directory is None
        self._place: str | None = None

    @property
    def location(self) -> str:
        return "a temporary directory" if self._temporary else str(self._directory)

    @property
    def kept_in(self) -> Path | None:
        """The configured directory; None while the files are temporary."""
        return None if self._temporary else self._directory

    @property
    def directory(self) -> Path:
        """The directory that holds the files."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="rookery-media-"))
        return self._directory

    @property
    def begun(self) -> bool:
        return self._directory is not None and self._directory.is_dir()

    @property
    def spools(self) -> Path:
        return self.directory / SPOOLS

    @property
    def place(self) -> str:
        if self._place is None:
            self._place = f"disk:{_name_of(self.directory)}"
        return self._place

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._temporary and self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = self._place = None

    async def keep(self, id: str, spool: Spool) -> None:
        path = self._path(id)

        def move() -> None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            spool.path.replace(path)
            _sync(path.parent)

        await in_thread("the file cannot be put into its place", move)

    async def read(self, id: str, start: int, size: int) -> AsyncGenerator[bytes]:
        path = self._path(id)
        descriptor = await in_thread("the file cannot be opened", lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        try:
            end = start + size
            while start < end:
                # The default argument fixes the offset that this thread reads.
                block = await in_thread(
                    "the file cannot be read",
                    lambda at=start: os.pread(descriptor, min(BLOCK, end - at), at),  # type: ignore[misc]
                )
                if not block:
                    raise FileNotFoundError(f"{path} is shorter than it was")
                start += len(block)
                yield block
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def local(self, id: str) -> AsyncIterator[Path]:
        path = self._path(id)
        await in_thread("the file cannot be read", path.stat)
        yield path

    async def remove(self, ids: Collection[str]) -> None:
        def unlink() -> None:
            for id in ids:
                self._path(id).unlink(missing_ok=True)

        await in_thread("files cannot be removed", unlink)

    async def older_than(self, seconds: float) -> AsyncGenerator[Sequence[str]]:
        before = time.time() - seconds
        if self._directory is None:
            return
        for shard in await in_thread("the directory cannot be read", lambda: _shards(self.directory)):
            found = await in_thread("the directory cannot be read", lambda at=shard: _older(at, before))  # type: ignore[misc]
            for first in range(0, len(found), LISTED):
                yield found[first : first + LISTED]
            await trio.lowlevel.checkpoint()

    def _path(self, id: str) -> Path:
        check_id(id)
        return self.directory / hashlib.sha256(id.encode()).hexdigest()[:2] / id

    def __repr__(self) -> str:
        return f"<DiskStorage {self.location}>"


def _name_of(directory: Path) -> str:
    """The directory's persistent name, created on first use."""
    file = directory / PLACE
    with suppress(FileNotFoundError):
        return file.read_text(encoding="ascii").strip()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = directory / f"{PLACE}.{secrets.token_hex(4)}"
    fresh.write_text(secrets.token_hex(8) + "\n", encoding="ascii")
    try:
        os.link(fresh, file)  # unlike a rename, it fails when another instance was faster
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        fresh.replace(file)
    fresh.unlink(missing_ok=True)
    return file.read_text(encoding="ascii").strip()


def _sync(directory: Path) -> None:
    """Make a rename in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shards(directory: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(directory) if len(entry.name) == 2 and entry.is_dir())
    except FileNotFoundError:
        return []


def _older(shard: Path, before: float) -> list[str]:
    found = []
    for entry in os.scandir(shard):
        with suppress(FileNotFoundError):
            if ID.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_ctime < before:
                found.append(entry.name)
    return found
