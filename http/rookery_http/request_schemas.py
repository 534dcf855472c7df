"""What the types alone do not say about requests, so that the description accepts exactly what the server accepts.

- no string holds U+0000;
- free-form documents (`settings`, `metadata`, `options`) are JSON values under the same rule;
- a message is one of the contents together with the envelope;
- `platform` is one of those that this server has, each with the credentials that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from rookery import content

from .api.messages import Envelope, SendMessage
from .calls import TABLE
from .state import PlatformInput

Schema = dict[str, Any]

CONTENTS: tuple[Any, ...] = (*content.Content.__args__, Envelope)
ALIASES = {"image": ["image", "photo"], "document": ["document", "file"]}
NO_NUL = "^[^\\u0000]*$"
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
ANYTHING: Schema = {"$ref": "#/components/schemas/JsonValue"}
JSON_VALUE: Schema = {
    "title": "JsonValue",
    "description": "Any JSON, with no U+0000 in its strings and names.",
    "anyOf": [
        {"type": ["null", "boolean"]},
        {"type": "number"},
        {"type": "string", "pattern": NO_NUL},
        {"type": "array", "items": ANYTHING},
        {"type": "object", "propertyNames": {"pattern": NO_NUL}, "additionalProperties": ANYTHING},
    ],
}


def add(components: dict[str, Schema], platforms: Mapping[str, PlatformInput]) -> None:
    """Complete the request schemas in place."""
    requests = {kind.__name__ for kind in CONTENTS}
    for row in TABLE:
        if row.body is not None:
            requests.add(row.body_shape.__name__)
    for name in requests & components.keys():
        _tighten(components[name])
    components["JsonValue"] = JSON_VALUE
    _messages(components)
    if platforms:
        _platforms(components, platforms)


def _tighten(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _tighten(item)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "string" and not schema.keys() & {"pattern", "enum", "const", "format"}:
        schema["pattern"] = BASE64 if schema.get("contentEncoding") == "base64" else NO_NUL
    elif schema.get("type") == "object" and "properties" not in schema:
        schema.setdefault("additionalProperties", ANYTHING)
        schema.setdefault("propertyNames", {"pattern": NO_NUL})
    for item in list(schema.values()):
        _tighten(item)


def _tightened(schema: Mapping[str, Any]) -> Schema:
    copy = deepcopy(dict(schema))
    _tighten(copy)
    return copy


def _messages(components: dict[str, Schema]) -> None:
    """Each content with the envelope's fields: one schema a kind."""
    envelope = components.pop(Envelope.__name__)
    kinds = []
    for kind in content.Content.__args__:
        schema = components.pop(kind.__name__)
        tag = schema["properties"]["type"]["enum"][0]
        schema["title"] = f"Send{kind.__name__}"
        schema["properties"]["type"] = {"enum": ALIASES.get(tag, [tag])}
        schema["properties"] = envelope["properties"] | schema["properties"]
        schema["required"] = [
            *envelope["required"],
            *(name for name in schema["required"] if (name, tag) != ("type", "text")),
        ]
        if kind in content.MEDIA:
            schema["oneOf"] = [
                {"required": [name], "properties": {name: {"type": "string"}}} for name in ("url", "data")
            ]
        components[schema["title"]] = schema
        kinds.append({"$ref": f"#/components/schemas/{schema['title']}"})
    components[SendMessage.__name__] = {
        "title": SendMessage.__name__,
        "description": "One kind of message by `type`; without a type it is text.",
        "anyOf": kinds,
    }


def _platforms(components: dict[str, Schema], platforms: Mapping[str, PlatformInput]) -> None:
    create = components["CreateSession"]
    properties = create["properties"]
    kinds = []
    for platform, given in platforms.items():
        own = {
            "platform": {"const": platform},
            "credentials": _tightened(given.credentials),
            "settings": _tightened(given.settings),
        }
        required = ["platform", *(["credentials"] if given.credentials.get("required") else [])]
        kinds.append(
            create | {"title": f"Create{platform.title()}", "properties": properties | own, "required": required}
        )
    # A change does not name the platform, so the description can only say: as one of them takes it.
    change = components["ChangeSession"]["properties"]
    change["credentials"] = {"anyOf": [_tightened(given.credentials) for given in platforms.values()]}
    change["settings"] = {"anyOf": [_tightened(given.settings) for given in platforms.values()]}
    for kind in kinds:
        components[kind["title"]] = kind
    components["CreateSession"] = {
        "title": "CreateSession",
        "description": create.get("description", ""),
        "anyOf": [{"$ref": f"#/components/schemas/{kind['title']}"} for kind in kinds],
    }
