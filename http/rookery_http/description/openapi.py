"""The OpenAPI 3.1 description, made from the table of calls and from the types that check the input.

quart-schema does not fit: it reads JSON with the standard library (which accepts NaN and fails on deep nesting), and it
cannot describe what our API does: 401, 413 and 415 everywhere, strict query parameters, contents that differ by type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

import msgspec

from rookery.model.event_type import ENGINE_TYPES, EventType

from ..api.platform_methods import MethodParameters
from ..api.state import PlatformInput
from ..call_table import JSON, TABLE
from ..input.parameters import NO_NEWLINE
from ..output.event_schemas import camel, event_components
from ..output.problems import ProblemDocument
from . import request_schemas
from .examples import bodies_of
from .examples.problems import shared_example
from .operations import REF, SHARED, forms, operation, problem, walk

TAGS = {
    "sessions": "Accounts and bots: what is wanted, what is observed, and why.",
    "messages": "Sends, each with a named end.",
    "contacts": "People that a session's account knows, and who has an account at all.",
    "groups": "Groups and communities of a session's account.",
    "channels": "Channels that a session's account follows or keeps.",
    "profile": "The account itself, presence, and calls that ring.",
    "chats": "Received and sent messages in one order.",
    "events": "What the platforms told, in one log with one cursor.",
    "media": "Files to send, and files that were received.",
    "sinks": "The log into message brokers: NATS JetStream, AMQP 0-9-1, Redis Streams.",
    "webhooks": "Signed deliveries of events, retried, in order per chat.",
    "keys": "Who may do what, and who did what.",
    "operations": "Looking after all sessions at once.",
    "service": "Health, probes and this description.",
}

Schema = dict[str, Any]


def describe(platforms: Mapping[str, PlatformInput] | None = None, *, key: bool = True, base_path: str = "") -> Schema:
    """The description. `platforms` adds what each platform accepts; `key`: this server asks for a key; `base_path`: the
    path under which a proxy shows it."""
    components = _components(platforms or {})
    paths: dict[str, Schema] = {}
    for row in TABLE:
        bodies = dict(bodies_of(row.name, platforms or {}))
        paths.setdefault(row.path, {})[row.method.lower()] = operation(row, components, bodies, key=key)
    for name in [name for name in components if name in _query_names()]:
        del components[name]
    types = catalogue(platforms or {})
    components |= event_components(types)
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Rookery",
            "version": version("rookery"),
            "summary": "Telegram bots and WhatsApp accounts, kept connected, behind one API.",
            "description": "Errors are problem documents (RFC 9457). Unknown fields and parameters are errors.",
            "contact": {"name": "Rookery"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": base_path or "/", "description": "the server that this description comes from"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "webhooks": _webhooks(types),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {
                name: problem(status, text, shared_example(status)) for status, (name, text) in SHARED.items()
            },
        },
    }
    if key:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "ROOKERY_API_KEY, or a key from /v1/keys"}
        }
        document["security"] = [{"key": []}]
    return document


def catalogue(platforms: Mapping[str, PlatformInput]) -> tuple[EventType, ...]:
    """The types of events of the engine and of these platforms."""
    return (*ENGINE_TYPES, *(row for platform in platforms.values() for row in platform.event_types))


def _webhooks(types: Sequence[EventType]) -> Schema:
    """The requests that the server sends to endpoints: an entry for each type of event, and one for endpoints that
    receive all types."""
    summaries = {row.name: row.summary for row in reversed(types)}
    found: Schema = {"event": _delivered("AnyDelivery", "event", "Any event that a webhook asks for.")}
    for name in dict.fromkeys(row.name for row in types):
        found[name] = _delivered(f"{camel(name)}Delivery", name, summaries[name])
    return found


def _delivered(schema: str, name: str, summary: str) -> Schema:
    signed = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "post": {
            "operationId": f"on_{name.replace('.', '_').replace('-', '_')}",
            "tags": ["webhooks"],
            "summary": summary,
            "parameters": [
                {"name": header, "in": "header", "required": True, "schema": {"type": "string"}} for header in signed
            ],
            "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": REF.format(name=schema)}}}},
            "responses": {
                "2XX": {"description": "taken; anything else, or nothing in time, is tried again"},
                "410": {"description": "the endpoint wants no more: the webhook is disabled"},
            },
        }
    }


def _components(platforms: Mapping[str, PlatformInput]) -> dict[str, Schema]:
    shapes: list[Any] = [ProblemDocument]
    for row in TABLE:
        shapes += [form for answer in row.answers.values() for form in forms(answer) if not isinstance(form, str)]
        shapes += [shape for shape in (row.query, row.body_shape) if shape is not None and shape != dict[str, Any]]
    _, found = msgspec.json.schema_components([*shapes, *request_schemas.CONTENTS, MethodParameters], ref_template=REF)
    components: dict[str, Schema] = deepcopy(found)
    components["Problem"] = components.pop("ProblemDocument") | {"title": "Problem"}
    request_schemas.add(components, platforms)
    for schema in walk(components):
        if "pattern" in schema:
            schema["pattern"] = schema["pattern"].replace(NO_NEWLINE, "")
        if isinstance(schema.get("description"), str):
            schema["description"] = cleandoc(schema["description"])
    return components


def _query_names() -> set[str]:
    return {row.query.__name__ for row in TABLE if row.query is not None}
