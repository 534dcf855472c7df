"""Mutated protobufs through the whole way of a WhatsApp report: bytes from the library to the frame that the engine stores.

    python bench/whatsapp/fuzz.py --cases 100000

Every report must become exactly one frame that the engine can decode, with a body and a document that are JSON, and a key, a
chat and a sender that both databases take. The process hosts neonize, as a worker does, but no client is connected.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from rookery_whatsapp.worker.loading import library

library.load()

from neonize.events import EVENT_TO_INT  # noqa: E402  # type: ignore[import-untyped]
from neonize.proto import Neonize_pb2 as reports  # noqa: E402  # type: ignore[import-untyped]
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message  # noqa: E402  # type: ignore[import-untyped]

from rookery_whatsapp.protocol import FrameReader, Happened, encode, from_worker  # noqa: E402
from rookery_whatsapp.worker.addresses import parse_jid  # noqa: E402
from rookery_whatsapp.worker.client import Client  # noqa: E402
from rookery_whatsapp.worker.events.handlers import HANDLERS  # noqa: E402
from rookery_whatsapp.worker.reports import Reports  # noqa: E402

INTERESTING = (
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"\0",
    b"\xff" * 8,
    b"\0\0\0\0\0\0\xf8\x7f",  # NaN
    b"\0\0\0\0\0\0\xf0\xff",  # minus infinity
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # the largest number
    "\u202e\u2028".encode(),
)
DEPTH = 3  # of what is filled in below a message


class _Library:
    """What `Client` needs of neonize without a connection."""

    me = None

    def __init__(self) -> None:
        self.event = self
        self.list_func: dict[int, Any] = {}


def open_client(frames: list[bytes]) -> Any:
    """A client that writes its frames into a list and is never told to wait."""

    class Channel:
        def send(self, frame: Any) -> None:
            frames.append(encode(frame))

    client = object.__new__(Client)
    client.number, client.usable = 1, False
    client._channel, client.library = Channel(), _Library()  # type: ignore[assignment]
    client.store = lambda found: client._channel.send(Happened(1, 1, *found))  # type: ignore[method-assign]
    client.both_forms = lambda phone, lid: (phone, lid)  # type: ignore[method-assign]
    client.read_vote = lambda event: None  # type: ignore[method-assign]
    client.hang_up_without_keys = lambda: False  # type: ignore[method-assign]
    client._reports = Reports(client, "none", lambda me: None)
    for kind, handler in HANDLERS.items():
        client.library.list_func[EVENT_TO_INT[kind]] = client._reports.guarded(handler)
    return client


def fill(message: Any, chance: random.Random, depth: int = DEPTH) -> Any:
    """Put something into about half of the fields."""
    for field in message.DESCRIPTOR.fields:
        if not field.is_required and chance.random() < 0.5:
            continue
        if field.message_type is not None:
            if depth == 0 and not field.is_required:
                continue
            if field.message_type.has_options and field.message_type.GetOptions().map_entry:
                continue
            target = getattr(message, field.name)
            part = target.add() if field.is_repeated else target
            part.SetInParent()
            fill(part, chance, depth - 1)
            continue
        value = _value(field, chance)
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    return message


def _value(field: Any, chance: random.Random) -> Any:
    if field.enum_type is not None:
        return chance.choice([value.number for value in field.enum_type.values])
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return chance.randbytes(chance.choice((0, 12, 32)))
        return chance.choice(("", "hello", "a\0b", "4915100000002@s.whatsapp.net", "\U0001f600" * 3, "x" * 300))
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        return chance.choice((0.0, 1.5, float("nan"), float("inf")))
    if kind == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    return chance.choice((0, 1, 7, 2**31 - 1))


def seeds(chance: random.Random) -> Iterator[tuple[Any, bytes]]:
    """Reports as the library would write them, with one part of a message after the other, without end."""
    kinds = [kind for kind in HANDLERS if kind not in NOTICES]
    parts = [field.name for field in Message.DESCRIPTOR.fields]
    while True:
        for name in parts:
            report = fill(reports.Message(), chance, 1)
            report.Message.Clear()
            report.Info.Category = ""
            report.Info.MessageSource.Chat.CopyFrom(parse_jid(chance.choice(CHATS)))
            part = getattr(report.Message, name)
            if isinstance(part, str):
                report.Message.conversation = "hello"
            else:
                part.SetInParent()
                fill(part, chance)
            yield reports.Message, report.SerializePartialToString()
        for kind in kinds:
            yield kind, fill(kind(), chance).SerializePartialToString()


NOTICES = {
    reports.Connected,
    reports.Disconnected,
    reports.KeepAliveTimeout,
    reports.KeepAliveRestored,
    reports.LoggedOut,
    reports.StreamReplaced,
    reports.TemporaryBan,
    reports.ClientOutdated,
    reports.ConnectFailure,
    reports.StreamError,
}
"""Reports about the connection, which only the library makes and which are not stored."""
CHATS = ("4915100000002@s.whatsapp.net", "10004915100000002@lid", "120363000000000001@g.us", "1203630@newsletter")
SILENT = (reports.Receipt, reports.HistorySync)
"""Reports of which some are the protocol's own business."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Up to four small changes. Half of the time they leave every length as it is, so that the report stays readable."""
    changed, readable = bytearray(data), chance.random() < 0.5
    for _ in range(chance.randint(0, 4)):
        position = chance.randrange(len(changed) + 1)
        if readable:
            value = chance.choice(INTERESTING)
            changed[position : position + len(value)] = value[: len(changed) - position]
            continue
        match chance.randrange(6):
            case 0 if changed:
                changed[position % len(changed)] = chance.randrange(256)
            case 1:
                changed[position:position] = chance.choice(INTERESTING)
            case 2:
                del changed[position : position + chance.randint(1, 8)]
            case 3:
                changed[position:position] = changed[position : position + chance.randint(1, 40)]
            case 4:
                del changed[position:]
            case _:
                changed[position : position + 8] = chance.choice(INTERESTING)
    return bytes(changed)


def check(kind: Any, frames: list[bytes]) -> str | None:
    """What is wrong with the frames of one report; None when nothing is."""
    events = []
    for data in frames:
        for body in FrameReader().feed(data):
            if isinstance(frame := from_worker.decode(body), Happened):
                events.append(frame)
    if len(events) != 1:
        return None if not events and kind in SILENT else f"{len(events)} events"
    event = events[0]
    document = msgspec.json.decode(event.body)
    msgspec.json.decode(event.raw)
    if not isinstance(document, dict):
        return "the body is no object"
    for name, text in (("key", event.key), ("chat", event.chat or ""), ("sender", event.sender or "")):
        if not text.isprintable() or len(text) > 250 or (name == "key" and not text):
            return f"the {name} is {text!r}"
    if event.type == "message" and not (document.get("kind") and "text" in document):
        return f"a message without kind or text: {document}"
    return None


def main() -> int:
    """Run the cases; the exit code is 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    frames: list[bytes] = []
    client, source, kinds, wrong = open_client(frames), seeds(chance), Counter[str](), 0
    began = time.monotonic()
    for number in range(options.cases):
        kind, data = next(source)
        data = mutated(data, chance)
        frames.clear()
        try:
            client._reports.take(EVENT_TO_INT[kind], data)
            problem = check(kind, frames)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        kinds[kind.DESCRIPTOR.name] += 1
        if problem is not None:
            wrong += 1
            sys.stderr.write(f"case {number} of seed {options.seed}, {kind.DESCRIPTOR.name}: {problem}\n{data.hex()}\n")
    print(f"{options.cases} reports of {len(kinds)} kinds in {time.monotonic() - began:.1f} s: {wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
