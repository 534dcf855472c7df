"""The objects that the Bot API sends (version 10.3): checks values against them, and makes values that have every field.

A type is written as in `bot_api.json`: `string`, `[MessageEntity]`, `A|B`, `=photo` for a constant, or the name of an object
or of a type with several alternatives. `!` marks a required field.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLACE = Path(__file__).parents[2] / "providers/telegram/receiving"
_table = json.loads((_PLACE / "received_objects.json").read_text())
OBJECTS: dict[str, dict[str, str]] = _table["objects"]
ALIASES: dict[str, str] = _table["aliases"]
SCALARS: dict[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}
DEEPEST = 5

EXAMPLES: list[dict[str, Any]] = json.loads((_PLACE / "update_examples.json").read_text())
"""`name`, `update` and the `events` that it becomes."""


def problems(value: Any, type: str, path: str = "") -> Iterator[str]:
    """What makes `value` no valid value of `type`; nothing when it is valid."""
    type = type.removesuffix("!")
    type = ALIASES.get(type, type)
    if type.startswith("[") and type.endswith("]"):
        if not isinstance(value, list):
            yield f"{path}: no list"
            return
        for index, item in enumerate(value):
            yield from problems(item, type[1:-1], f"{path}[{index}]")
    elif "|" in type:
        found = [list(problems(value, one, path)) for one in type.split("|")]
        if all(found):
            yield min(found, key=len)[0]
    elif type.startswith("="):
        if value != type[1:]:
            yield f"{path}: {value!r} is not {type[1:]!r}"
    elif type in SCALARS:
        if not isinstance(value, SCALARS[type]) or (type == "number" and isinstance(value, bool)):
            yield f"{path}: {value!r} is no {type}"
    elif not isinstance(value, dict):
        yield f"{path}: no {type}"
    else:
        fields = OBJECTS[type]
        yield from (f"{path}.{name}: {type} has no such field" for name in value if name not in fields)
        for name, kind in fields.items():
            if name in value:
                yield from problems(value[name], kind, f"{path}.{name}")
            elif kind.endswith("!"):
                yield f"{path}.{name}: missing"


class Filler:
    """Makes values with every field, each leaf of which is another value."""

    def __init__(self) -> None:
        self._numbers = itertools.count(10_000_001)

    def value(self, type: str, depth: int = 0) -> Any:
        """A value of `type`; None below the depth at which objects that hold themselves end."""
        type = type.removesuffix("!")
        if type.startswith("["):
            item = self.value(type[1:-1], depth + 1)
            return [] if item is None else [item]
        type = ALIASES.get(type, type).split("|")[0]
        if type.startswith("="):
            return type[1:]
        match type:
            case "string":
                return f"text {next(self._numbers)}"
            case "number":
                return next(self._numbers)
            case "boolean":
                return True
        if depth > DEEPEST:
            return None
        if type == "Message" and depth > 0:
            return {
                name: self.value(OBJECTS["Message"][name], depth + 1) for name in ("message_id", "chat", "date", "text")
            }
        return self.fields(type, depth)

    def fields(self, type: str, depth: int = 0) -> dict[str, Any]:
        """An object with all of its fields."""
        made = {name: self.value(kind, depth + 1) for name, kind in OBJECTS[type].items()}
        return {name: value for name, value in made.items() if value is not None}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of everything that holds nothing else. The items of a list share one path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value
