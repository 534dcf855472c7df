"""Just enough protobuf for Signal's own messages, whose schema is in no package that we depend on.

A message is a mapping from field number to an unsigned integer or to bytes; no field repeats in these messages.
"""

from __future__ import annotations

from collections.abc import Mapping

VARINT = 0
LENGTH_DELIMITED = 2


class MalformedMessage(ValueError):
    """Bytes that are not a protobuf message of varints and byte fields."""


def encode(fields: Mapping[int, int | bytes | None]) -> bytes:
    """Serialise `fields` in their order; those that are None are left out."""
    out = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            out += _varint(number << 3 | VARINT) + _varint(value)
        elif value is not None:
            out += _varint(number << 3 | LENGTH_DELIMITED) + _varint(len(value)) + value
    return bytes(out)


def decode(data: bytes) -> tuple[dict[int, int], dict[int, bytes]]:
    """The integer fields and the byte fields; raises MalformedMessage."""
    numbers: dict[int, int] = {}
    blobs: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        key, position = _read_varint(data, position)
        value, position = _read_varint(data, position)
        if key & 7 == VARINT:
            numbers[key >> 3] = value
        elif key & 7 == LENGTH_DELIMITED and position + value <= len(data):
            blobs[key >> 3] = data[position : position + value]
            position += value
        else:
            raise MalformedMessage(f"field {key >> 3} of type {key & 7}")
    return numbers, blobs


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise MalformedMessage("a number ends early")
