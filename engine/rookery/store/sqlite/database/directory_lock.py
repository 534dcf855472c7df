"""One engine per SQLite database: a lock that the operating system frees when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

import trio

from ....errors import DataDirectoryInUse, StoreError

POLL = 0.02
"""Seconds between two attempts while waiting; it determines the gap of a handoff."""


class DirectoryLock:
    """An flock on `<database>.lock`. The file contains the process id of its owner as text, for people.

    The file stays when the lock is released: removing it would let two processes lock two different files.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file = database.with_name(database.name + ".lock")
        self._descriptor: int | None = None

    async def acquire(self, wait: float) -> None:
        """Take the lock, trying for up to `wait` seconds.

        Raises:
            DataDirectoryInUse: another process still holds the lock.
            StoreError: the file cannot be created.
        """
        deadline = trio.current_time() + wait
        while not self._try():
            if trio.current_time() >= deadline:
                raise DataDirectoryInUse(self._explain(wait))
            await trio.sleep(POLL)

    def release(self) -> None:
        """Release the lock. Called once the database is closed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _try(self) -> bool:
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"cannot create {self._file} ({error.strerror}): the data directory has to exist and be writable"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return False
            raise StoreError(f"cannot lock {self._file} ({error.strerror}): use a local file system") from None
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk must not keep a healthy database closed
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def _explain(self, wait: float) -> str:
        try:
            holder = self._file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            holder = ""
        who = f"process {holder}" if holder.isdigit() else "another process"
        waited = f" and did not let go within {wait:g} s" if wait > 0 else ""
        return (
            f"{self._database} is in use by {who}{waited}: stop that engine first, "
            f"or wait for it to end with `rookery serve --wait SECONDS`"
        )
