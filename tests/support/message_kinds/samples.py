"""Samples of `waE2E.Message`, made from its protobuf descriptor. `kind` is the class `Message`, however it was loaded."""

from __future__ import annotations

from typing import Any

EDIT, REVOKE = 14, 0  # ProtocolMessage.Type


def fill(part: Any, depth: int = 3) -> None:
    """Give every field of a message a value."""
    for field in part.DESCRIPTOR.fields:
        repeated = field.is_repeated
        if field.message_type is not None:
            if depth and field.message_type.name != "Message":
                inner = getattr(part, field.name)
                fill(inner.add() if repeated else inner, depth - 1)
            continue
        value: Any = {
            field.CPPTYPE_STRING: b"bytes" if field.type == field.TYPE_BYTES else f"the {field.name}",
            field.CPPTYPE_BOOL: True,
            field.CPPTYPE_ENUM: field.enum_type.values[-1].number if field.enum_type else 0,
            field.CPPTYPE_FLOAT: 1.5,
            field.CPPTYPE_DOUBLE: 1.5,
        }.get(field.cpp_type, 7)
        if field.containing_oneof is not None and part.WhichOneof(field.containing_oneof.name):
            continue
        if repeated:
            getattr(part, field.name).append(value)
        else:
            setattr(part, field.name, value)


def with_field(kind: Any, name: str, *, filled: bool = True) -> Any:
    """A message that has only this field."""
    message = kind()
    field = kind.DESCRIPTOR.fields_by_name[name]
    if field.message_type is None:
        setattr(message, name, "some words")
        return message
    part = getattr(message, name)
    part.SetInParent()
    if filled:
        fill(part)
        if name == "protocolMessage":
            part.type = REVOKE
    return message


def holders(kind: Any) -> dict[str, str]:
    """Fields of a message whose type holds a message itself, and the field that it is in."""
    found = {}
    for field in kind.DESCRIPTOR.fields:
        for inner in field.message_type.fields if field.message_type is not None else ():
            if inner.message_type is kind.DESCRIPTOR:
                found[field.name] = inner.name
    return found


def around(kind: Any, name: str, inside: str, message: Any) -> Any:
    """`message` in the field `name`."""
    outer = kind()
    getattr(getattr(outer, name), inside).CopyFrom(message)
    if name == "protocolMessage":
        outer.protocolMessage.type = EDIT
        outer.protocolMessage.key.ID = "ORIGINAL"
    return outer
