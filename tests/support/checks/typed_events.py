"""Writes `rookery_client/typed_events.py` from the catalogue of event types: `python -m support.checks.typed_events`.

A test compares the file with what this module makes, so that the client cannot fall behind the catalogue.
"""

from __future__ import annotations

import keyword
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

import rookery_client
from rookery.model.event_type import ENGINE_TYPES, EventType
from rookery_telegram import event_types as telegram
from rookery_whatsapp import event_types as whatsapp

CATALOGUE = (*ENGINE_TYPES, *telegram.EVENT_TYPES, *whatsapp.EVENT_TYPES)
PLACE = Path(rookery_client.__file__).with_name("typed_events.py")
HEAD = '''"""Each type of event as a class of its own, with the fields of its body. Made from the server's catalogue
(`GET /v1/event-types`) by `tests/support/checks/typed_events.py`; do not change it by hand.

    match event:
        case typed_events.Message():
            print(event.body.get("text"))

`event_of`, the clients and `verify` make these. A type that this version does not know is a plain `Event`. More
fields than those listed may follow in a body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from .events import Event
'''
TAIL = '''def event_of(document: Mapping[str, Any]) -> Event:
    """From JSON: of the class of its type, or a plain `Event`. Raises ValueError for what is not an event."""
    kind = document.get("type") if isinstance(document, Mapping) else None
    return (EVENTS.get(kind, Event) if isinstance(kind, str) else Event).of(document)
'''
SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def camel(name: str) -> str:
    """`message.status` as `MessageStatus`."""
    return "".join(word.capitalize() for word in name.replace(".", "_").replace("-", "_").split("_"))


def render(catalogue: Iterable[EventType] = CATALOGUE) -> str:
    """The module's text."""
    rows: dict[str, list[EventType]] = {}
    for row in catalogue:
        rows.setdefault(row.name, []).append(row)
    bodies = list({row.body: None for same in rows.values() for row in same if row.body is not None})
    _, schemas = msgspec.json.schema_components(bodies, ref_template="{name}")
    parts = [HEAD]
    parts += [_body(name, schema) for name, schema in sorted(schemas.items())]
    parts += [_event(name, same) for name, same in sorted(rows.items())]
    classes = "\n".join(f'    "{name}": {camel(name)},' for name in sorted(rows))
    parts.append(f'EVENTS: dict[str, type[Event]] = {{\n{classes}\n}}\n"""The class of each type."""\n')
    parts.append(TAIL)
    text = "\n\n".join(parts)
    return text if "Literal[" in text else text.replace("Any, Literal, NotRequired", "Any, NotRequired")


def _body(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    fields = []
    for field, value in schema.get("properties", {}).items():
        kind = _kind(value)
        fields.append((field, kind if field in required else f"NotRequired[{kind}]"))
    text = _sentences(schema.get("description", ""))
    if any(not field.isidentifier() or keyword.iskeyword(field) for field, _ in fields):
        listed = "\n".join(f'        "{field}": {kind!r},' for field, kind in fields)
        return f'{name} = TypedDict(\n    "{name}",\n    {{\n{listed}\n    }},\n)\n'
    lines = "\n".join(f"    {field}: {kind}" for field, kind in fields)
    return (
        f"class {name}(TypedDict):\n{text}\n{lines}\n" if text else f"class {name}(TypedDict):\n{lines or '    pass'}\n"
    )


def _sentences(text: str) -> str:
    """A docstring of lines that fit."""
    words, lines = text.split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 106:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    if not words:
        return ""
    if len(lines) == 1:
        return f'    """{lines[0]}"""\n'
    return '    """' + "\n    ".join(lines) + '\n    """\n'


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"])
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return " | ".join(dict.fromkeys(_kind(one) for one in schema[choice]))
    match schema.get("type"):
        case "array":
            return f"list[{_kind(schema['items'])}]" if "items" in schema else "list[Any]"
        case "object":
            more = schema.get("additionalProperties")
            return f"dict[str, {_kind(more)}]" if isinstance(more, dict) and more else "dict[str, Any]"
        case [*several]:
            return " | ".join(SIMPLE[one] for one in several)
        case str(name):
            return SIMPLE[name]
    return "Any"


def _event(name: str, same: list[EventType]) -> str:
    summary = " ".join(dict.fromkeys(row.summary for row in same))
    platforms = [row.platform for row in same]
    made = "" if None in platforms else f" ({', '.join(str(platform) for platform in platforms)})"
    forms = [row.body.__name__ if row.body is not None else "dict[str, Any]" for row in same]
    body = " | ".join(dict.fromkeys(forms))
    text = _sentences(f"`{name}`{made}: {summary}")
    return f"@dataclass(frozen=True, slots=True)\nclass {camel(name)}(Event):\n{text}\n    body: {body}\n"


def formatted() -> str:
    """The module's text as ruff formats it."""
    ruff = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(PLACE), "-"]
    return subprocess.run(ruff, input=render(), capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    PLACE.write_text(formatted(), encoding="utf-8")
