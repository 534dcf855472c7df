"""Converts protobufs that a stranger filled in to JSON that every store and reader accepts.

The sender controls the strings, numbers and sizes in a message. Strings may be invalid UTF-8 (protobuf returns those as
bytes), floats may be NaN or infinite, identifiers may be empty, huge or contain NUL, times may be out of range.
"""

from __future__ import annotations

import base64
import hashlib
import math
import time
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict

LONGEST_NAME = 200
"""Characters of a key, a chat or a sender. Both databases index them."""

LARGEST_RAW = 1024 * 1024
"""Maximum bytes of the library's own document in JSON; the long values of a larger one are cut, or else it is omitted."""

LARGEST_BODY = 1024 * 1024
"""Maximum bytes of a body in JSON; the texts of a larger one are cut."""

LONGEST_TEXT = 65_536  # characters to keep of one text in a body that would be too large
LARGEST_PREVIEW = 1024  # characters to keep of one value in a document that would be too large
CLOCKS_APART = 86_400.0  # seconds by which a platform's time may be ahead of ours
OLDEST = 1_230_768_000.0
"""Seconds since 1970 of the year in which WhatsApp began; earlier times mean "unknown"."""

_STRING, _MESSAGE = FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE
_encoder = msgspec.json.Encoder()  # writes null for NaN and infinity


def mend(message: Any) -> Any:
    """Replace each invalid UTF-8 string in `message` by a valid one, in place; returns `message`."""
    for field, value in message.ListFields():
        if field.cpp_type == _MESSAGE:
            if not field.is_repeated:
                mend(value)
            elif not (field.message_type.has_options and field.message_type.GetOptions().map_entry):
                for item in value:
                    mend(item)
        elif field.cpp_type == _STRING and field.type != FieldDescriptor.TYPE_BYTES:
            if not field.is_repeated:
                if isinstance(value, bytes):
                    setattr(message, field.name, _text(value))
            elif any(isinstance(item, bytes) for item in value):
                texts = [_text(item) for item in value]
                del value[:]
                value.extend(texts)
    return message


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def clean(value: Any) -> Any:
    """A copy of the document without values that JSON cannot represent."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {str(clean(name)): clean(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def encode_body(body: dict[str, Any]) -> bytes:
    """A body as JSON of limited size."""
    document = clean(body)
    data = _encoder.encode(document)
    if len(data) <= LARGEST_BODY:
        return data
    data = _encoder.encode(_cut(document, LONGEST_TEXT) | {"truncated": True})
    if len(data) <= LARGEST_BODY:
        return data
    return _encoder.encode(_cut(document, LARGEST_PREVIEW, items=20) | {"truncated": True})


def encode_raw(message: Any) -> bytes:
    """The library's own document as JSON of limited size; binary values such as pictures are base64."""
    try:
        document = clean(MessageToDict(message))
        data = _encoder.encode(document)
    except Exception as error:
        return _encoder.encode({"omitted": f"{type(error).__name__}: {error}"[:LARGEST_PREVIEW]})
    if len(data) <= LARGEST_RAW:
        return data
    smaller = _encoder.encode(_cut(document, LARGEST_PREVIEW) | {"omitted": f"{len(data)} bytes"})
    return smaller if len(smaller) <= LARGEST_RAW else _encoder.encode({"omitted": f"{len(data)} bytes"})


def encode_unread(data: bytes, reason: str) -> bytes:
    """The document for an unreadable report: the first `LARGEST_RAW // 2` of its bytes, its size, and the reason."""
    kept = data[: LARGEST_RAW // 2]
    return _encoder.encode({"unread": base64.b64encode(kept).decode(), "size": len(data), "reason": clean(reason)})


def _cut(value: Any, characters: int, *, items: int | None = None) -> Any:
    if isinstance(value, str) and len(value) > characters:
        return value[:characters]
    if isinstance(value, dict):
        return {name[:characters]: _cut(item, characters, items=items) for name, item in list(value.items())[:items]}
    if isinstance(value, list):
        return [_cut(item, characters, items=items) for item in value[:items]]
    return value


def name(text: str) -> str:
    """A key, chat or sender that both databases can index: no NUL, no line break, limited length; still unique."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in str(clean(text)))
    if len(printable) <= LONGEST_NAME and printable == text:
        return printable
    return f"{printable[: LONGEST_NAME - 18]}~{digest(text.encode('utf-8', 'replace'))}"


def digest(data: bytes) -> str:
    """A digest of `data`: 16 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:16]


def moment(seconds: float) -> float:
    """The platform's time, or the current time when the platform sent none or an impossible one."""
    now = time.time()
    return seconds if OLDEST <= seconds <= now + CLOCKS_APART else now
