"""The Bot API's objects: checks values against them and describes them as JSON schemas. Pure.

A type as `bot_api.json` writes it is `integer`, `[MessageEntity]` for a list, `A|B` for one of several, `=photo` for a
constant, or the name of an object in the same file. In an object, null stands for an absent field, as at the server.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Any

from rookery.errors import InvalidInput

from .methods import catalogue

MAX_DEPTH = 40
"""The Bot API's own objects stay below twenty."""

PREFIX = "Telegram"
"""Begins the names of these objects in the description of the API."""

OPEN = frozenset({"InputRichMessage"})
"""Objects that are described by their top-level fields only: their contents nest endlessly."""

SCALARS: dict[str, tuple[dict[str, Any], tuple[type, ...]]] = {
    "string": ({"type": "string"}, (str,)),
    "integer": ({"type": "integer"}, (int,)),
    "number": ({"type": "number"}, (int, float)),
    "boolean": ({"type": "boolean"}, (bool,)),
    "chat": ({"type": ["integer", "string"]}, (int, str)),
    "file": ({"type": "string"}, (str,)),
}
"""The schema and the Python types of each simple type."""


@cache
def alternatives(type: str) -> tuple[str, ...]:
    """The types separated by `|` outside of brackets."""
    parts, depth, start = [], 0, 0
    for index, sign in enumerate(type):
        depth += (sign == "[") - (sign == "]")
        if sign == "|" and not depth:
            parts.append(type[start:index])
            start = index + 1
    return (*parts, type[start:])


def fields_of(name: str) -> dict[str, str]:
    """The fields of an object by name, with their types; `!` marks those that are required."""
    return catalogue().objects[name]


def check(value: Any, type: str, path: str) -> None:
    """Raises InvalidInput if the value is not of this type; the error's `field` is the path of the wrong part."""
    if path.count(".") + path.count("[") > MAX_DEPTH:
        raise InvalidInput(f"{path[:80]}...: it is nested too deeply", field=path.partition(".")[0])
    kinds = alternatives(type)
    if "any" in kinds:
        return
    if isinstance(value, dict) and (names := [kind for kind in kinds if kind in catalogue().objects]):
        _check_object(value, names, path)
    elif isinstance(value, list | tuple) and (lists := [kind[1:-1] for kind in kinds if kind.startswith("[")]):
        for index, item in enumerate(value):
            check(item, "|".join(lists), f"{path}[{index}]")
    elif isinstance(value, dict | list | tuple) or not any(_is_scalar(value, kind) for kind in kinds):
        raise InvalidInput(f"{path}: {words(type)} is needed", field=path)


def words(type: str) -> str:
    """The type in words for people."""
    kinds = alternatives(type)
    if len(kinds) > 3:
        return "an object"
    return " or ".join(map(_word, kinds))


def _word(kind: str) -> str:
    if kind.startswith("["):
        return "an array"
    if kind.startswith("="):
        return f"`{kind[1:]}`"
    if kind in catalogue().objects:
        return "an object"
    named = {"chat": "a chat's id or @name", "file": "media:ID, a file id or an address", "any": "any value"}
    return named.get(kind) or f"{'an' if kind[0] in 'aio' else 'a'} {kind}"


def _is_scalar(value: Any, kind: str) -> bool:
    if kind.startswith("="):
        return str(value) == kind[1:]
    if kind not in SCALARS:
        return False
    return isinstance(value, SCALARS[kind][1]) and (kind == "boolean" or not isinstance(value, bool))


def _check_object(value: dict[str, Any], names: list[str], path: str) -> None:
    possible = [name for name in names if not _contradictions(value, name)]
    fitting = [name for name in names if value.keys() <= fields_of(name).keys()]
    if fitting and not set(fitting) & set(possible):  # only a constant is wrong
        names, possible = fitting, []
    if not possible:
        field = next(iter(_contradictions(value, names[0])))
        right = sorted({_contradictions(value, name).get(field, "") for name in names} - {""})
        raise InvalidInput(f"{path}.{field}: one of {', '.join(right)} is needed", field=f"{path}.{field}")
    complete = [name for name in possible if not _missing(value, name)] or possible
    name = min(complete, key=lambda name: (len(value.keys() - fields_of(name)), len(_missing(value, name))))
    fields = fields_of(name)
    if unknown := [field for field in value if field not in fields]:
        known = {field for one in complete for field in fields_of(one)}
        near = get_close_matches(str(unknown[0]), known - value.keys(), 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(known))}"
        shown = f"{path}.{unknown[0]}"
        raise InvalidInput(f"{shown}: Bot API {catalogue().version} has no such field here; {hint}", field=shown)
    if missing := _missing(value, name):
        raise InvalidInput(f"{path}.{missing[0]}: this field is required", field=f"{path}.{missing[0]}")
    for field, item in value.items():
        if item is not None or _is_required(fields[field]):
            check(item, fields[field].rstrip("!"), f"{path}.{field}")


def _contradictions(value: dict[str, Any], name: str) -> dict[str, str]:
    """The constant fields of this object that are wrong in the value, each with its right value."""
    return {
        field: type[1:]
        for field, type in fields_of(name).items()
        if type.startswith("=") and field in value and str(value[field]) != type[1:]
    }


def _missing(value: dict[str, Any], name: str) -> list[str]:
    return [field for field, type in fields_of(name).items() if _is_required(type) and field not in value]


def _is_required(type: str) -> bool:
    return type.startswith("=") or type.endswith("!")


def schema(type: str) -> dict[str, Any]:
    """The JSON schema of a type; objects are references to those of `schemas`."""
    found = [_schema(kind) for kind in alternatives(type)]
    return found[0] if len(found) == 1 else {"anyOf": found}


def _schema(kind: str) -> dict[str, Any]:
    if kind.startswith("["):
        return {"type": "array", "items": schema(kind[1:-1])}
    if kind.startswith("="):
        return {"const": True if kind == "=True" else kind[1:]}
    if kind in SCALARS:
        return dict(SCALARS[kind][0])
    return {} if kind == "any" else {"$ref": f"#/components/schemas/{PREFIX}{kind}"}


def schemas(types: set[str]) -> dict[str, dict[str, Any]]:
    """The schemas of all objects that these types lead to, by name."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [kind for type in types for kind in _objects_in(type)]
    while waiting:
        name = waiting.pop()
        if PREFIX + name in found:
            continue
        fields = fields_of(name)
        found[PREFIX + name] = described = {
            "title": PREFIX + name,
            "description": f"`{name}` of the Bot API.",
            "type": "object",
            "properties": {field: _field_schema(type, shallow=name in OPEN) for field, type in fields.items()},
            "additionalProperties": False,
        }
        if required := [field for field, type in fields.items() if _is_required(type)]:
            described["required"] = required
        if name not in OPEN:
            waiting += [kind for type in fields.values() for kind in _objects_in(type)]
    return dict(sorted(found.items()))


def _field_schema(type: str, *, shallow: bool) -> dict[str, Any]:
    kind = type.rstrip("!")
    described = _outline(kind) if shallow else schema(kind)
    if _is_required(type) or not described:
        return described
    if isinstance(simple := described.get("type"), str) and len(described) == 1:
        return {"type": [simple, "null"]}
    return {"anyOf": [*described.get("anyOf", [described]), {"type": "null"}]}


def _outline(type: str) -> dict[str, Any]:
    if type.startswith("["):
        return {"type": "array"}
    return dict(SCALARS[type][0]) if type in SCALARS else {"type": "object"}


def _objects_in(type: str) -> list[str]:
    found: list[str] = []
    for kind in alternatives(type.rstrip("!")):
        if kind.startswith("["):
            found += _objects_in(kind[1:-1])
        elif kind in catalogue().objects:
            found.append(kind)
    return found
