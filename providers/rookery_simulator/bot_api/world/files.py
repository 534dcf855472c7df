"""The files that were sent to or by simulated bots: kept in memory, found by file_id or by download path."""

from __future__ import annotations

import hashlib
import mimetypes
from collections import OrderedDict
from typing import Any

MAX_DOWNLOAD_BYTES = 20 * 1024 * 1024
"""getFile refuses larger files."""


class StoredFile:
    """One file with the names that Telegram gives it."""

    __slots__ = ("content", "file_id", "file_name", "file_path", "mime_type", "unique_id")

    def __init__(self, number: int, content: bytes, file_name: str) -> None:
        digest = hashlib.sha256(content + file_name.encode()).hexdigest()
        self.content = content
        self.file_name = file_name
        self.file_id = f"BQACAgIAAxk{digest[:40]}{number:08x}"
        self.unique_id = f"AgAD{digest[:12]}"
        self.mime_type = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
        extension = file_name.rpartition(".")[2] if "." in file_name else "bin"
        self.file_path = f"documents/file_{number}.{extension}"

    def describe(self) -> dict[str, Any]:
        """The fields that all of Telegram's file objects share."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.content)}


class FileStore:
    """Files up to a total size; the oldest go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._count = 0
        self._by_id: OrderedDict[str, StoredFile] = OrderedDict()
        self._by_path: dict[str, StoredFile] = {}

    def add(self, content: bytes, file_name: str) -> StoredFile:
        """Keep a file and give it its names."""
        self._count += 1
        stored = StoredFile(self._count, content, file_name)
        self._by_id[stored.file_id] = self._by_path[stored.file_path] = stored
        self._bytes += len(content)
        while self._bytes > self._max_bytes and len(self._by_id) > 1:
            _, oldest = self._by_id.popitem(last=False)
            del self._by_path[oldest.file_path]
            self._bytes -= len(oldest.content)
        return stored

    def by_id(self, file_id: str) -> StoredFile | None:
        """The file with this file_id, None when unknown or forgotten."""
        return self._by_id.get(file_id)

    def by_path(self, file_path: str) -> StoredFile | None:
        """The file with this download path, None when unknown or forgotten."""
        return self._by_path.get(file_path)
