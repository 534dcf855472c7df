"""Adds the rules that types cannot express, so that the description accepts exactly what the server accepts.

- no string holds U+0000;
- free-form documents (`settings`, `metadata`, `options`) are JSON values under the same rule;
- a message is one of the contents together with the envelope;
- `platform` is one of those that this server has, each with the credentials that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from rookery.model import content

from ..api.platform_methods import MethodParameters
from ..api.state import PlatformInput
from ..call_table import TABLE
from ..input.messages import Envelope, SendMessage

Schema = dict[str, Any]

CONTENTS: tuple[Any, ...] = (*content.Content.__args__, Envelope)
ALIASES = {"image": ["image", "photo"], "document": ["document", "file"], "call": ["telegram"]}
NO_NUL = "^[^\\u0000]*$"
BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
ANYTHING: Schema = {"$ref": "#/components/schemas/JsonValue"}
# Each of these keywords constrains one type of value and ignores the others; a union of types would say the same, but
# generators of clients cannot follow a union into itself.
JSON_VALUE: Schema = {
    "title": "JsonValue",
    "description": "Any JSON, with no U+0000 in its strings and names.",
    "pattern": NO_NUL,
    "items": ANYTHING,
    "propertyNames": {"pattern": NO_NUL},
    "additionalProperties": ANYTHING,
}
# "Exactly one of them", in a form that does not make client generators split the schema.
ONE_SOURCE: Schema = {
    "if": {"required": ["url"], "properties": {"url": {"type": "string"}}},
    "then": {"properties": {"data": {"type": "null"}, "media": {"type": "null"}}},
    "else": {
        "if": {"required": ["data"], "properties": {"data": {"type": "string"}}},
        "then": {"properties": {"media": {"type": "null"}}},
        "else": {"required": ["media"], "properties": {"media": {"type": "string"}}},
    },
}
# An edit changes one of the first three, or the buttons alone.
ONE_CHANGE: Schema = {
    "if": {"required": ["text"], "properties": {"text": {"type": "string"}}},
    "then": {"properties": {"caption": {"type": "null"}, "media": {"type": "null"}}},
    "else": {
        "if": {"required": ["caption"], "properties": {"caption": {"type": "string"}}},
        "then": {"properties": {"media": {"type": "null"}}},
        "else": {
            "if": {"required": ["media"], "properties": {"media": {"type": "object"}}},
            "else": {"required": ["reply_markup"], "properties": {"reply_markup": {"type": "object"}}},
        },
    },
}

AT_LEAST_ONE: dict[str, tuple[Schema, tuple[str, ...]]] = {
    "ChangeParticipants": ({"type": "array", "items": ANYTHING}, ("add", "remove", "promote", "demote")),
    "Presence": ({"type": "string"}, ("state", "subscribe")),
}
"""Requests that need one of several fields, and what such a field is when it is present."""


def add(components: dict[str, Schema], platforms: Mapping[str, PlatformInput]) -> None:
    """Complete the request schemas in place."""
    requests = {kind.__name__ for kind in CONTENTS}
    for row in TABLE:
        if row.body is not None and hasattr(row.body_shape, "__struct_fields__"):
            requests.add(row.body_shape.__name__)
    for name in requests & components.keys():
        _tighten(components[name])
    components["JsonValue"] = JSON_VALUE
    components[MethodParameters.__name__] = {
        "title": MethodParameters.__name__,
        "description": components[MethodParameters.__name__]["description"],
        "type": "object",
        "propertyNames": {"pattern": NO_NUL},
        "additionalProperties": ANYTHING,
    }
    components["Item"] |= ONE_SOURCE
    for name, (given, fields) in AT_LEAST_ONE.items():
        components[name] |= _one_of(given, fields)
    _messages(components, platforms)
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
    elif schema.get("type") == "array":
        schema.setdefault("items", ANYTHING)
    for item in list(schema.values()):
        _tighten(item)


def _one_of(given: Schema, fields: Sequence[str]) -> Schema:
    """ "At least one of these fields is present and not null", in the form that `ONE_SOURCE` uses."""
    present: Schema = {"required": [fields[0]], "properties": {fields[0]: given}}
    return present if len(fields) == 1 else {"if": present, "then": {}, "else": _one_of(given, fields[1:])}


def _tightened(schema: Mapping[str, Any]) -> Schema:
    copy = deepcopy(dict(schema))
    _tighten(copy)
    return copy


def _messages(components: dict[str, Schema], platforms: Mapping[str, PlatformInput]) -> None:
    """Each content with the envelope's fields and the platforms' options: one schema for each kind."""
    envelope = components.pop(Envelope.__name__)
    components[content.Item.__name__] |= ONE_SOURCE
    kinds: list[Schema] = []
    mapping: dict[str, str] = {}
    for kind in content.Content.__args__:
        schema = components.pop(kind.__name__)
        tag = schema["properties"]["type"]["enum"][0]
        schema["title"] = f"Send{kind.__name__}"
        schema["properties"]["type"] = {"enum": ALIASES.get(tag, [tag])}
        if kind is content.PlatformCall:
            del schema["properties"]["platform"]  # `type` already says it
            schema["required"].remove("platform")
        schema["properties"] = envelope["properties"] | schema["properties"]
        for platform, given in platforms.items():
            _add_options(schema, platform, given.options.get(tag, {}))
        schema["required"] = [
            *envelope["required"],
            *(name for name in schema["required"] if (name, tag) != ("type", "text")),
        ]
        if kind in content.MEDIA:
            schema |= ONE_SOURCE
        elif kind is content.Edit:
            schema |= ONE_CHANGE
        components[schema["title"]] = schema
        kinds.append({"$ref": f"#/components/schemas/{schema['title']}"})
        mapping |= dict.fromkeys(schema["properties"]["type"]["enum"], kinds[-1]["$ref"])
    for given in platforms.values():
        components |= {name: _tightened(schema) for name, schema in given.objects.items()}
    components[SendMessage.__name__] = {
        "title": SendMessage.__name__,
        "description": "One kind of message by `type`; without a type it is text.",
        "anyOf": kinds,
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _add_options(schema: Schema, platform: str, options: Mapping[str, Schema]) -> None:
    """Add the options that only this platform accepts, beside the content's own fields or in `options`. They also describe
    a field of the content that is a free document."""
    described = {
        name: _tightened(option) | {"description": f"{platform.title()} only"} for name, option in options.items()
    }
    for name, field in schema["properties"].items():
        if name in described and any(kind.get("type") == "object" for kind in field.get("anyOf", ())):
            option = described.pop(name)
            about = option.pop("description")
            field["anyOf"] = [*option.get("anyOf", [option]), {"type": "null"}]
            field["description"] = about
    schema["properties"] = described | schema["properties"]


def _platforms(components: dict[str, Schema], platforms: Mapping[str, PlatformInput]) -> None:
    """One schema of a new session for each platform, with named ones for its credentials and settings."""
    create = components["CreateSession"]
    properties = create["properties"]
    references: dict[str, list[Schema]] = {"credentials": [], "settings": []}
    kinds = {}
    for platform, given in platforms.items():
        own: dict[str, Schema] = {"platform": {"const": platform}}
        for field, found in references.items():
            title = f"{platform.title()}{field.title()}"
            components[title] = _tightened(getattr(given, field)) | {"title": title}
            own[field] = {"$ref": f"#/components/schemas/{title}"}
            found.append(own[field])
        required = ["platform", *(["credentials"] if given.credentials.get("required") else [])]
        title = f"Create{platform.title()}"
        components[title] = create | {"title": title, "properties": properties | own, "required": required}
        kinds[platform] = f"#/components/schemas/{title}"
    # A change does not name the platform, so the description can only say: in the form that one of them accepts.
    for field, found in references.items():
        components["ChangeSession"]["properties"][field] = {"anyOf": found}
    components["CreateSession"] = {
        "title": "CreateSession",
        "description": create.get("description", ""),
        "oneOf": [{"$ref": kind} for kind in kinds.values()],
        "discriminator": {"propertyName": "platform", "mapping": kinds},
    }
