"""A multipart/form-data body (RFC 7578) whose files are read while they are sent."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import msgspec

from rookery.errors import Rejected
from rookery.runtime.threads import on_files

BLOCK = 256 * 1024
"""Bytes of a file to read at a time."""

MEDIA_TYPE = re.compile(r"[!-~]{1,100}/[!-~ ]{1,150}")


class FilePart(msgspec.Struct, frozen=True):
    """A file to upload: bytes, or a path with the size of its file."""

    filename: str
    media_type: str
    content: bytes | Path
    size: int


class Multipart:
    """One body. `pieces` can be read only once. Raises Rejected for an invalid media type."""

    def __init__(self, fields: Mapping[str, str], files: Mapping[str, FilePart]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        head = bytearray()
        for name, value in fields.items():
            head += _head(boundary, f'name="{_quoted(name)}"') + b"\r\n" + value.encode() + b"\r\n"
        self._parts: list[tuple[bytes, FilePart]] = []
        for name, file in files.items():
            if not MEDIA_TYPE.fullmatch(file.media_type):
                raise Rejected("mime_type: a media type such as image/png is needed")
            named = f'name="{_quoted(name)}"; filename="{_quoted(file.filename)}"'
            head += _head(boundary, named) + f"Content-Type: {file.media_type}\r\n\r\n".encode()
            self._parts.append((bytes(head), file))
            head = bytearray(b"\r\n")
        if not files:
            head = bytearray(head)
        self._tail = bytes(head) + f"--{boundary}--\r\n".encode()
        self.size = sum(len(head) + file.size for head, file in self._parts) + len(self._tail)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body. Raises OSError when a file cannot be read or its size has changed."""
        for head, file in self._parts:
            if isinstance(file.content, bytes):
                yield head + file.content
                continue
            yield head
            left = file.size
            stream = await on_files(lambda path=file.content: path.open("rb"))  # type: ignore[misc]
            try:
                while left and (block := await on_files(lambda: stream.read(min(BLOCK, left)))):  # noqa: B023
                    left -= len(block)
                    yield block
            finally:
                stream.close()
            if left:
                raise OSError(0, "it has become shorter since")
        yield self._tail


def _head(boundary: str, disposition: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n".encode()


def _quoted(text: str) -> str:
    """Quote a name as browsers do in multipart bodies (HTML, 4.10.21.8), and replace other control characters."""
    text = text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return "".join(sign if sign.isprintable() else "_" for sign in text)
