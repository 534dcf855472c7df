"""Feeds every kind of `waE2E.Message` to the description of messages; run it, and it prints what is wrong, a line each.

    python -m support.message_kinds [PLANT]

All cases come from the protobuf descriptor, so a field that only a newer library has is a case too. PLANT, one of `PLANTS`,
spoils something first: the output must then not be empty.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import DESCRIPTOR, Message

from rookery_whatsapp.worker.events import contents, kinds, parts

from .samples import around, holders, with_field

TYPES = {"message", "service_message", "edited_message", "deleted_message", "reaction", "poll_vote"}
PLACES = {
    "CommentMessage.message",
    "SendPaymentMessage.noteMessage",
    "RequestPaymentMessage.noteMessage",
    "DeviceSentMessage.message",
    "FutureProofMessage.message",
    "ProtocolMessage.editedMessage",
    "ContextInfo.quotedMessage",
    "QuestionReplyQuotedMessage.quotedQuestion",
    "QuestionReplyQuotedMessage.quotedResponse",
    "AIQueryFanout.message",
    "EmbeddedMessage.message",
}
"""Where a message may be inside another. A new one has to be looked at, then added here."""


def described(message: Any) -> tuple[str, dict[str, Any]]:
    """As the worker describes it: content encrypted under a secret is decrypted later, by the engine."""
    if (sealed := contents.encrypted_part(message)) is not None:
        return "encrypted", {"kind": sealed[0]}
    return contents.describe(message, "ID")


def says_nothing(type: str, body: dict[str, Any]) -> str:
    """The fault of an event, if it has one."""
    if type == "encrypted":
        return ""
    if type not in TYPES:
        return f"an event of type {type}"
    if type in ("reaction", "poll_vote", "deleted_message"):
        return "" if body.get("message_id") else "no message that it is about"
    if body.get("kind") in ("", None, "unknown"):
        return f"kind {body.get('kind')!r}"
    if type == "message" and body["kind"] == "text" and not body["text"] and "reason" not in body:
        return "an empty text"
    return ""


def problems(kind: Any) -> Iterator[str]:
    """`kind` is the class `Message`, or one like it with more fields."""
    yield from alone(kind)
    yield from inside_each_other(kind)
    yield from quoted(kind)
    yield from protocol_types(kind)
    yield from places(kind)


def alone(kind: Any) -> Iterator[str]:
    """Every field by itself, empty and full, and beside what accompanies most messages."""
    known = {*kinds.WRAPPERS, *kinds.KINDS, *kinds.SERVICE, *kinds.ENCRYPTED, *kinds.OWN_TYPES}
    for name in known - set(kind.DESCRIPTOR.fields_by_name):
        yield f"{name}: in the table, but the library has no such field"
    for name in kind.DESCRIPTOR.fields_by_name:
        if name not in known:
            yield f"{name}: not in the table"
        for filled in (False, True):
            message = with_field(kind, name, filled=filled)
            type, body = described(message)
            if filled and (wrong := says_nothing(type, body)):
                yield f"{name}: {wrong}"
            if body.get("kind") == "unknown":
                yield f"{name}: unknown"
            if name != "messageContextInfo":
                message.messageContextInfo.messageSecret = b"s" * 32
                if described(message) != (type, body):
                    yield f"{name}: other beside messageContextInfo"


def inside_each_other(kind: Any) -> Iterator[str]:
    """Every field in every wrapper, every wrapper in every wrapper, and more of them than are opened."""
    holding = holders(kind)
    for name, inside in holding.items():
        if name not in kinds.WRAPPERS and kinds.HOLDERS.get(name) != inside and name != "protocolMessage":
            yield f"{name}: holds a message in `{inside}`, but is no wrapper"
    wrappers = {name: inside for name, inside in holding.items() if name in kinds.WRAPPERS}
    leaves = {name: with_field(kind, name) for name in kind.DESCRIPTOR.fields_by_name if name not in holding}
    for (outer, inside), (name, leaf) in product(holding.items(), leaves.items()):
        type, body = described(leaf)
        got_type, got = described(around(kind, outer, inside, leaf))
        where = f"{name} in {outer}"
        if outer in wrappers:
            said = kinds.WRAPPERS[outer] if type == "message" else {}
            if (got_type, got) != (type, said | body):
                yield f"{where}: {got_type} {got}, not {type} {said | body}"
        elif outer == "protocolMessage" and type == "message":
            if got_type != "edited_message" or got["kind"] != body["kind"] or got["message_id"] != "ORIGINAL":
                yield f"{where}: {got_type} {got}"
        elif wrong := says_nothing(got_type, got):
            yield f"{where}: {wrong}"
        elif outer in kinds.HOLDERS and type == "message" and not holds(got, body):
            yield f"{where}: {got}, not the text of {body}"
    for (first, a), (second, b) in product(wrappers.items(), repeat=2):
        for name in ("conversation", "imageMessage", "pollCreationMessageV3", "keepInChatMessage", "reactionMessage"):
            type, body = described(leaves[name])
            got_type, got = described(around(kind, first, a, around(kind, second, b, leaves[name])))
            said = kinds.WRAPPERS[first] | kinds.WRAPPERS[second] if type == "message" else {}
            if (got_type, got) != (type, said | body):
                yield f"{name} in {second} in {first}: {got}"
    chain = leaves["conversation"]
    for depth in range(1, contents.DEPTH + 3):
        chain = around(kind, *list(wrappers.items())[depth % len(wrappers)], chain)
        type, body = described(chain)
        opened = depth <= contents.DEPTH
        if type != "message" or (body["text"] == "some words") != opened or ("reason" in body) == opened:
            yield f"a text in {depth} wrappers: {type} {body}"


def holds(got: dict[str, Any], inside: dict[str, Any]) -> bool:
    """True when the body of a part that holds a message has its text and says its kind."""
    return bool(got["text"] == inside["text"] and got.get("contains", "text") == inside["kind"])


def quoted(kind: Any) -> Iterator[str]:
    """Every field, and every field in a wrapper that people reply to, as the quote of a reply."""
    for name in kind.DESCRIPTOR.fields_by_name:
        if name in kinds.SERVICE:
            continue
        for filled, wrapped in product((False, True), repeat=2):
            inner = with_field(kind, name, filled=filled)
            if wrapped:
                inner = around(kind, "ephemeralMessage", "message", inner)
            reply = kind()
            reply.extendedTextMessage.text = "an answer"
            reply.extendedTextMessage.contextInfo.stanzaID = "ORIGINAL"
            reply.extendedTextMessage.contextInfo.quotedMessage.CopyFrom(inner)
            _, body = described(reply)
            if body["quote"]["kind"] in ("", "unknown"):
                yield f"{name}: unknown in a quote"


def protocol_types(kind: Any) -> Iterator[str]:
    """Every number of what devices say to each other."""
    for value in kind().protocolMessage.DESCRIPTOR.fields_by_name["type"].enum_type.values:
        message = kind()
        message.protocolMessage.type = value.number
        message.protocolMessage.key.ID = "TARGET"
        type, body = described(message)
        if value.number not in kinds.PROTOCOL:
            yield f"protocolMessage {value.name}: not in the table"
        if type not in ("deleted_message", "edited_message", "service_message"):
            yield f"protocolMessage {value.name}: {type} {body}"


def places(kind: Any) -> Iterator[str]:
    """All places where a message is inside another, at any depth."""
    seen, todo, found = {kind.DESCRIPTOR.full_name}, [kind.DESCRIPTOR], set()
    while todo:
        at = todo.pop()
        for field in at.fields:
            if field.message_type is None:
                continue
            if field.message_type is kind.DESCRIPTOR:
                found.add(f"{at.name}.{field.name}")
            if field.message_type.full_name not in seen:
                seen.add(field.message_type.full_name)
                todo.append(field.message_type)
    for place in sorted(found - PLACES):
        yield f"{place}: a new place for a message"


def newer(change: Callable[[Any], None]) -> Any:
    """The class `Message` of a library whose schema has one field more."""
    pool = descriptor_pool.DescriptorPool()

    def add(file: Any) -> None:
        for needed in file.dependencies:
            add(needed)
        schema = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(schema)
        if file.name == DESCRIPTOR.name:
            change(next(each for each in schema.message_type if each.name == "Message"))
        pool.Add(schema)

    add(DESCRIPTOR)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(Message.DESCRIPTOR.full_name))


def with_new_field(type_name: str) -> Callable[[], Any]:
    """A library that has one field more, of this type."""

    def change(message: Any) -> None:
        field = message.field.add(name="newestMessage", number=9999, label=1, type=11)
        field.type_name = f".{Message.DESCRIPTOR.file.package}.{type_name}"

    return lambda: newer(change)


def without(table: dict[str, Any], name: str) -> Callable[[], Any]:
    """The real library, and a table that lacks an entry."""

    def plant() -> Any:
        del table[name]
        return Message

    return plant


def renamed() -> Any:
    """A kind without a name."""
    kinds.KINDS["imageMessage"] = ("", kinds.KINDS["imageMessage"][1])
    return Message


def unfilled() -> Any:
    """A text that gets lost."""
    kinds.KINDS["conversation"] = ("text", parts.nothing)
    return Message


PLANTS: dict[str, Callable[[], Any]] = {
    "new wrapper": with_new_field("FutureProofMessage"),
    "new content": with_new_field("ImageMessage"),
    "new holder": with_new_field("CommentMessage"),
    "wrapper forgotten": without(kinds.WRAPPERS, "lottieStickerMessage"),
    "kind forgotten": without(kinds.KINDS, "pollCreationMessageV5"),
    "holder forgotten": without(kinds.HOLDERS, "commentMessage"),
    "service forgotten": without(kinds.SERVICE, "groupRootKeyShare"),
    "protocol type forgotten": without(kinds.PROTOCOL, 41),  # type: ignore[arg-type]
    "nameless kind": renamed,
    "lost text": unfilled,
}


if __name__ == "__main__":
    for line in problems(PLANTS[sys.argv[1]]() if sys.argv[1:] else Message):
        sys.stdout.write(line[:300] + "\n")
    sys.stdout.write("done\n")
