"""A file of events, one record after another.

A record is the length of its data and their CRC-32, four bytes each and big-endian, then the data: a byte that says how the
event is encoded (0: MessagePack, 1: the same, encrypted with AES-GCM under the nonce that follows), and the event. The
highest bit of the length is set once the engine has stored the event. A record that a crash has cut short is always the last
and is ignored. Each file is locked while a worker uses it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path

import msgspec

from .events.found import Found

ENDING = ".events"
DAMAGED = ".damaged"
PLAIN, ENCRYPTED = b"\x00", b"\x01"
NONCE = 12  # bytes

_HEAD = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
_STORED = 1 << 31


class Unreadable(Exception):
    """The record is damaged, or none of the keys decrypts it."""


class EventFile:
    """Made by `create` and `leftovers`; `close` releases it. All methods raise OSError."""

    def __init__(self, path: Path, descriptor: int, keys: Sequence[bytes]) -> None:
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self.keep = False
        """Keep the file on disk in any case."""
        self.damaged = False
        """Part of the file cannot be read: `close` renames it instead of removing it."""
        self.whole = 0
        """The end of the last complete record that `offsets` found."""
        self._descriptor = descriptor
        self._keys = keys
        self._associated = path.name.partition("~")[
            0
        ].encode()  # so that a record decrypts only in its own session's files

    @classmethod
    def create(cls, place: str, keys: Sequence[bytes]) -> EventFile:
        """A new file: `place` with a time and a suffix."""
        while True:
            path = Path(f"{place}~{time.time_ns()}{ENDING}")
            try:
                descriptor = _make(path)
            except FileNotFoundError:  # another client has just removed the folder
                descriptor = _make(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:
                    return cls(path, descriptor, keys)
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)  # another client locked it first, and removed it because it was empty

    def append(self, found: Found) -> int:
        """Write an event; returns its offset. An error leaves no part of it in the file."""
        data = self._sealed(msgspec.msgpack.encode(found))
        record = _HEAD.pack(len(data), zlib.crc32(data)) + data
        offset, rest = self.size, memoryview(record)
        try:
            while rest:
                rest = rest[os.pwrite(self._descriptor, rest, self.size) :]
                self.size = offset + len(record) - len(rest)
        except OSError:
            self.size = offset
            with suppress(OSError):
                os.ftruncate(self._descriptor, offset)
            raise
        return offset

    def read(self, offset: int) -> Found:
        """The event at this offset. Raises Unreadable."""
        data = self._data(offset)
        if data is None:
            raise Unreadable("the record is damaged")
        try:
            return msgspec.msgpack.decode(self._opened(data), type=Found)
        except msgspec.MsgspecError as error:
            raise Unreadable(str(error)) from None

    def offsets(self) -> Iterator[int]:
        """The offsets of the complete records that are not marked as stored."""
        offset = 0
        while (data := self._data(offset)) is not None:
            self.whole = offset + _HEAD.size + len(data)
            if not self._length(offset) & _STORED:
                yield offset
            offset = self.whole

    def mark_stored(self, offset: int) -> None:
        """Mark the event at this offset, so that no later client hands it over."""
        os.pwrite(self._descriptor, _LENGTH.pack(self._length(offset) | _STORED), offset)

    def clear(self) -> None:
        """Remove all records."""
        if self.size:
            os.ftruncate(self._descriptor, 0)
            self.size = 0

    @property
    def aside(self) -> Path:
        """The path of a damaged file after `close`; clients that start later ignore it."""
        return self.path.with_name(self.path.name + DAMAGED)

    def sync(self) -> None:
        """Return when everything is on disk."""
        os.fdatasync(self._descriptor)

    def close(self, *, remove: bool) -> None:
        """Release the file; make it durable, or remove it. Unreadable data stays on disk in any case."""
        try:
            if remove and self.damaged and not self.keep:
                self.path.rename(self.aside)
            elif remove and not self.keep:
                self.path.unlink(missing_ok=True)
                with suppress(OSError):  # the folder holds other sessions' files
                    self.path.parent.rmdir()
            else:
                os.fsync(self._descriptor)
                folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError:
            pass
        finally:
            os.close(self._descriptor)

    def _length(self, offset: int) -> int:
        return int(_LENGTH.unpack(os.pread(self._descriptor, _LENGTH.size, offset))[0])

    def _data(self, offset: int) -> bytes | None:
        head = os.pread(self._descriptor, _HEAD.size, offset)
        if len(head) < _HEAD.size:
            return None
        size, checksum = _HEAD.unpack(head)
        size &= ~_STORED
        if offset + _HEAD.size + size > self.size:
            return None
        data = os.pread(self._descriptor, size, offset + _HEAD.size)
        return data if size and zlib.crc32(data) == checksum else None

    def _sealed(self, plain: bytes) -> bytes:
        if not self._keys:
            return PLAIN + plain
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # takes 2 MB, so only where there is a key

        nonce = os.urandom(NONCE)
        return ENCRYPTED + nonce + AESGCM(self._keys[0]).encrypt(nonce, plain, self._associated)

    def _opened(self, data: bytes) -> bytes:
        if data[:1] == PLAIN:
            return data[1:]
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        for key in self._keys:
            with suppress(InvalidTag, ValueError):
                return AESGCM(key).decrypt(data[1 : 1 + NONCE], data[1 + NONCE :], self._associated)
        raise Unreadable("it is encrypted, and none of the secret keys decrypts it")


def _make(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)


def leftovers(place: str, keys: Sequence[bytes], known: Collection[Path]) -> tuple[list[EventFile], bool]:
    """The files at `place` that no client uses and `known` does not contain, oldest first; the caller owns them. Also
    returns whether another client still uses one."""
    found: list[EventFile] = []
    in_use = False
    folder, name = os.path.split(place)
    with suppress(OSError):
        for path in sorted(Path(folder).glob(f"{escape(name)}~*{ENDING}")):
            if path in known:
                continue
            with suppress(OSError):
                descriptor = os.open(path, os.O_RDWR)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                    in_use = True
                else:
                    if os.fstat(descriptor).st_nlink:
                        found.append(EventFile(path, descriptor, keys))
                    else:  # its client has just removed the file
                        os.close(descriptor)
    return found, in_use
