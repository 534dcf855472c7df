"""getUpdates answers with mutated updates, and an independent reading of them. Deterministic by the generator's seed."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

from rookery_telegram.receiving.updates import ALL_KINDS

EXAMPLES = Path(__file__).parents[2] / "tests/providers/telegram/receiving/update_examples.json"
READER_DEPTH = 30_000  # of the JSON that the check itself reads

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    5,
    1.5,
    2**31 - 1,
    2**31,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    10**400,
    "",
    "5",
    "x" * 5_000,
    "a\0b",
    "\0",
    "\u202e\u2028\ufeff\U0001f600",
    "\n\r\t\x1b",
    [],
    {},
    [[]],
    [None],
    {"id": 5},
    {"id": None},
    {"message_id": 3, "date": 0, "chat": {"id": 7}},
)
RARE = (
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"a\\ud83d\\u0041"',
    '{"\\ud800": 1}',
    '"\\u0000"',
    "1e400",
    "-1e400",
    "1E+99999",
    "1e-400",
    "-0",
    "-0.0",
    "9" * 5_000,
    "0." + "1" * 5_000,
    *(f"{'[' * depth}1{']' * depth}" for depth in (60, 101, 150, 1_200, 3_000)),
    *(f"{opening * depth}1{'}' * depth}" for opening in ('{"x":', '{"chat":') for depth in (60, 101, 1_200)),
)
"""JSON that Python's own encoder does not write."""
NO_JSON = (
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "01",
    "1.",
    "'x'",
    "undefined",
    '"\n"',
    '"\\x"',
    '"\\u12"',
    "[1,]",
    "{,}",
)
BYTES = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xc3",
    b"\\",
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\\ud800",
    b"\xef\xbb\xbf",
)
MARK = "\ue000%d\ue000"
"""Stands for one of `RARE` or `NO_JSON` until the update is written."""


class Case(NamedTuple):
    """The bytes of an answer. `plain`: the API shows every update of it exactly as it came."""

    body: bytes
    plain: bool


class _NotJson(ValueError):
    """What only Python takes for JSON."""


def load_examples() -> list[dict[str, Any]]:
    """One update of each kind of update and of message."""
    updates = [example["update"] for example in json.loads(EXAMPLES.read_text())]
    kinds = {kind for update in updates for kind in update}
    assert kinds >= set(ALL_KINDS), set(ALL_KINDS) - kinds
    return updates


def cases(chance: random.Random) -> Iterator[Case]:
    """Answers with one to four updates, without end. Each kind comes as often as the others."""
    examples = load_examples()
    first = 1000
    while True:
        for index in chance.sample(range(len(examples)), len(examples)):
            chosen = [examples[index], *chance.choices(examples, k=chance.choice((0, 0, 1, 3)))]
            updates = [_copy(update) | {"update_id": first + n} for n, update in enumerate(chosen)]
            first += len(updates)
            yield _case(updates, chance)


def _case(updates: list[Any], chance: random.Random) -> Case:
    marks: list[str] = []
    if chance.random() < 0.1:
        return Case(_written(updates, marks), True)
    for _ in range(chance.randint(1, 6)):
        _mutate(updates, chance, marks)
    plain = not marks
    body = _written(updates, marks)
    if chance.random() < 0.2:
        plain, body = False, _noisy(body, chance)
    return Case(body, plain)


def _written(updates: list[Any], marks: list[str]) -> bytes:
    text = json.dumps({"ok": True, "result": updates}, ensure_ascii=False)
    for number in range(len(marks) - 1, -1, -1):
        text = text.replace(json.dumps(MARK % number, ensure_ascii=False), marks[number])
    return text.encode()


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys or indexes."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            yield container, key
            if isinstance(container[key], dict | list):
                waiting.append(container[key])


def _mutate(updates: list[Any], chance: random.Random, marks: list[str]) -> None:
    """One change somewhere in the updates."""
    places = list(_places(updates))
    if not places:
        updates.append({})
        return
    container, key = chance.choice(places)
    match chance.randrange(8):
        case 0:
            del container[key]
        case 1 | 2:
            container[key] = _copy(chance.choice(VALUES))
        case 3:
            other, place = chance.choice(places)
            container[key] = _copy(other[place])
        case 4:
            marks.append(chance.choice(RARE) if chance.random() < 0.9 else chance.choice(NO_JSON))
            container[key] = MARK % (len(marks) - 1)
        case 5:
            if isinstance(container, list):
                container.insert(key, _copy(container[key]))
            else:
                container[chance.choice(FIELDS)] = _copy(container[key])
        case 6:
            if isinstance(container, dict):
                container[chance.choice(FIELDS)] = _copy(chance.choice(VALUES))
        case _:
            value = container[key]
            if isinstance(value, dict):
                container[key] = list(value.values())
            elif isinstance(value, list):
                container[key] = dict(enumerate(value))
            else:
                container[key] = str(value) if not isinstance(value, str) else len(value)


FIELDS = (
    "id",
    "chat",
    "from",
    "user",
    "date",
    "edit_date",
    "message",
    "message_id",
    "update_id",
    "text",
    "caption",
    "photo",
    "kind",
    "migrate_to_chat_id",
    "migrate_from_chat_id",
    "pinned_message",
    "new_chat_members",
    "reply_to_message",
    "forward_origin",
    "sender_chat",
    "paid_media",
    "poll",
    "never_heard_of",
    "",
    "\0",
)


def _noisy(body: bytes, chance: random.Random) -> bytes:
    """One to three changes of bytes, whatever they mean there."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        position = chance.randrange(len(changed) + 1)
        match chance.randrange(7):
            case 0 if position < len(changed):
                changed[position] ^= 1 << chance.randrange(8)
            case 1:
                changed[position:position] = chance.choice(BYTES)
            case 2:
                changed[position : position + 4] = chance.choice(BYTES)
            case 3:
                del changed[position : position + chance.randint(1, 12)]
            case 4:
                changed[position:position] = changed[position : position + chance.randint(1, 80)]
            case 5 if chance.random() < 0.4:
                del changed[position:]
            case _:
                changed += chance.choice(BYTES)
    return bytes(changed)


def read_independently(body: bytes) -> list[Any] | None:
    """The updates of an answer that is JSON and of the Bot API's form, None when it is not."""
    try:
        with _deep():
            answer = json.loads(body.decode(errors="replace"), parse_constant=refuse, parse_int=_whole)
    except ValueError:
        return None
    if not isinstance(answer, dict) or answer.get("ok") is not True or not isinstance(answer.get("result"), list):
        return None
    if answer.keys() - {"ok", "result"}:  # a mutated field of the envelope may be of the wrong type
        return None
    return cast("list[Any]", answer["result"])


def refuse(text: str) -> Any:
    """For `parse_constant`: NaN is no JSON."""
    raise _NotJson(text)


def _whole(text: str) -> Any:
    return int(text) if len(text) < 1_000 else float(text)


@contextmanager
def _deep() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(READER_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
