"""Stores reports of the library that this process cannot read or describe, with all known details."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError
from neonize.proto import Neonize_pb2 as reports

from . import encoding
from .found import Found, found
from .places import key_of, places
from .reporter import Reporter

UNKNOWN_VALUE = re.compile(r"required field neonize\.(\w+)\.(\w+) not set")
"""The phrase in the error with which the library ends a client."""

LOGINS = ("ConnectFailure", "LoggedOut", "TemporaryBan")
"""Types of reports about a login, which are not stored."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def describe(client: Reporter, kind: Any, data: bytes, reason: str) -> Found:
    """The event for a report of this kind, serialised as `data`. Never raises."""
    raw = encoding.encode_unread(data, reason)
    if kind is reports.Message:
        try:
            info = encoding.mend(reports.MessageInfo.FromString(first_field(data, 1)))
            chat, sender, place = places(client, info.MessageSource)
            body: dict[str, Any] = {"message_id": info.ID, "kind": "unknown", "text": "", "reason": reason} | place
            key = key_of(info.MessageSource, info.ID)
            return found("message", key, info.Timestamp / 1000, chat, sender, body, raw)
        except (DecodeError, ValueError):
            pass
    name = kind.DESCRIPTOR.name
    key = f"unknown:{name}:{encoding.digest(data)}:{time.time():.3f}"
    return found("unknown", key, time.time(), None, None, {"kind": name, "reason": reason}, raw)


def lost(form: str, reason: str) -> Found:
    """The event for a report with a value that the library does not know: it acknowledged the report and kept only this."""
    now = time.time()
    key = f"unknown:{form}:{now:.6f}"
    return found("unknown", key, now, None, None, {"kind": form, "reason": reason}, b"null")


def first_field(data: bytes, number: int) -> bytes:
    """The bytes of the first field with this number at the top of a serialised message. Raises ValueError."""
    for known, _, value in fields(data):
        if known == number and value:
            return value
    raise ValueError(f"there is no field {number}")


def fields(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The top of a serialised message: each field's number, all of its bytes, and the bytes of its value if it has a
    length. Raises ValueError."""
    position = 0
    while position < len(data):
        start = position
        tag, position = _varint(data, position)
        wire, value = tag & 7, b""
        if wire == _BYTES:
            size, position = _varint(data, position)
            value = data[position : position + size]
            position += size
        elif wire == _VARINT:
            _, position = _varint(data, position)
        elif wire in (_FIXED32, _FIXED64):
            position += 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type: {wire}")
        if position > len(data):
            raise ValueError("the last field is truncated")
        yield tag >> 3, data[start:position], value


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field, serialised."""
    return _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    raise ValueError("no number")
