"""The OpenAPI 3.1 description, made from the table of calls and the very types that check the input.

quart-schema was tried on paper and left out: it reads JSON with the standard library (which takes NaN and fails on deep
nesting), and has no place for what our answers need to be true: 401, 413 and 415 everywhere, strict query parameters,
contents that differ by type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from importlib.metadata import version
from typing import Any

import msgspec

from . import request_schemas
from .api.events import EVENT_STREAM
from .api.messages import SendMessage
from .calls import JSON, TABLE, Call
from .problems import MEDIA_TYPE, ProblemDocument
from .shapes import HEADERS, ID_PATTERN, NO_NEWLINE
from .state import PlatformInput

REF = "#/components/schemas/{name}"
PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}}
TAGS = {
    "sessions": "Accounts and bots: what is wanted, what is observed, and why.",
    "messages": "Sends, each with a named end.",
    "events": "What the platforms told, in one log with one cursor.",
    "webhooks": "Signed deliveries of events, retried, in order per chat.",
    "keys": "Who may do what, and who did what.",
    "operations": "Looking after all sessions at once.",
    "service": "Health, probes and this description.",
}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "seconds", "required": True}}
DESCRIPTIONS = {101: "from now on a WebSocket", 201: "created", 202: "accepted"}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "the thing's own path", "required": True}}

Schema = dict[str, Any]

FREE_FORMS: dict[str, Schema] = {
    JSON: {"type": "object"},
    EVENT_STREAM: {
        "type": "string",
        "description": "frames of `id:`, `event:` and `data:`, the latter an Event in JSON",
    },
}


def describe(platforms: Mapping[str, PlatformInput] | None = None, *, key: bool = True) -> Schema:
    """The description; `platforms` adds what each platform takes, `key` says whether this server asks for one."""
    components = _components(platforms or {})
    paths: dict[str, Schema] = {}
    for row in TABLE:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, components, key=key)
    for name in [name for name in components if name in _query_names()]:
        del components[name]
    document: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Rookery",
            "version": version("rookery"),
            "summary": "Telegram bots and WhatsApp accounts, kept connected, behind one API.",
            "description": "Errors are problem documents (RFC 9457). Unknown fields and parameters are errors.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items()))},
    }
    if key:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "ROOKERY_API_KEY, or a key from /v1/keys"}
        }
        document["security"] = [{"key": []}]
    return document


def _components(platforms: Mapping[str, PlatformInput]) -> dict[str, Schema]:
    shapes: list[Any] = [ProblemDocument]
    for row in TABLE:
        shapes += [form for answer in row.answers.values() for form in forms(answer) if not isinstance(form, str)]
        shapes += [shape for shape in (row.query, row.body_shape) if shape is not None]
    _, found = msgspec.json.schema_components([*shapes, *request_schemas.CONTENTS], ref_template=REF)
    components: dict[str, Schema] = deepcopy(found)
    components["Problem"] = components.pop("ProblemDocument") | {"title": "Problem"}
    request_schemas.add(components, platforms)
    for schema in _walk(components):
        if "pattern" in schema:
            schema["pattern"] = schema["pattern"].replace(NO_NEWLINE, "")
    return components


def _walk(value: Any) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


def _query_names() -> set[str]:
    return {row.query.__name__ for row in TABLE if row.query is not None}


def _operation(row: Call, components: dict[str, Schema], *, key: bool) -> Schema:
    summary, description = row.documentation
    operation: Schema = {"operationId": row.name, "tags": [row.tag], "summary": summary}
    if description:
        operation["description"] = description
    if row.open:
        operation["security"] = []
    elif key:
        operation["security"] = [{"key": [row.scope.value] if row.scope else []}]
    parameters = list(_parameters(row, components))
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        name = (SendMessage if row.large else row.body_shape).__name__
        operation["requestBody"] = {
            "required": row.body_required,
            "content": {JSON: {"schema": {"$ref": REF.format(name=name)}}},
        }
    operation["responses"] = {str(status): answer for status, answer in sorted(_responses(row, key=key).items())}
    return operation


def _parameters(row: Call, components: dict[str, Schema]) -> Iterator[Schema]:
    if row.takes_id:
        schema: Schema = {"type": "string", "pattern": ID_PATTERN}
        yield {"name": "id", "in": "path", "required": True, "schema": schema}
    if row.query is not None:
        shape = components[row.query.__name__]
        for name, schema in shape["properties"].items():
            schema = _without_null(schema)
            text = schema.pop("description", None)
            yield {"name": name, "in": "query", "schema": schema} | ({"description": text} if text else {})
    wanted = {"Idempotency-Key": row.idempotent, "Last-Event-ID": row.resumes}
    for name, present in wanted.items():
        if present:
            schema = msgspec.json.schema(HEADERS[name])
            text = schema.pop("description", "")
            for part in _walk(schema):
                if "pattern" in part:
                    part["pattern"] = part["pattern"].replace(NO_NEWLINE, "")
            yield {"name": name, "in": "header", "schema": schema, "description": text}


def _without_null(schema: Schema) -> Schema:
    """A query cannot say null: the parameter is absent instead."""
    schema = dict(schema)
    choices = [choice for choice in schema.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        schema |= choices[0]
    if schema.get("default", ...) is None:
        del schema["default"]
    return schema


def forms(answer: Any) -> tuple[Any, ...]:
    """The structs and media types that an answer may have."""
    return answer if isinstance(answer, tuple) else (answer,)


def _responses(row: Call, *, key: bool) -> dict[int, Schema]:
    answers: dict[int, Schema] = {}
    for status, shape in row.answers.items():
        content: Schema = {}
        for form in forms(shape):
            if isinstance(form, str):
                content[form] = {"schema": FREE_FORMS.get(form, {"type": "string"})}
            else:
                content[JSON] = {"schema": {"$ref": REF.format(name=form.__name__)}}
        answers[status] = {"description": DESCRIPTIONS.get(status, "done"), "content": content}
        if status == 201 or row.large:
            answers[status]["headers"] = LOCATION
    problems = dict(row.problems)
    problems.setdefault(500, "a bug; the answer has the id under which the log tells more")
    if not row.open:
        problems.setdefault(400, "something in the request is not as described here; `field` names it")
        problems.setdefault(503, "the database, or the only instance that can do this, does not answer now")
        problems.setdefault(401, "the key is missing or wrong")
        problems.setdefault(403, "the key does not allow this; without an admin key: a web page of another site asks")
        problems[429] = "; ".join(filter(None, (problems.get(429), "the key's rate is used up, see Retry-After")))
    if row.takes_id:
        problems.setdefault(404, "there is no such thing")
    if row.body is not None:
        problems |= {408: "the body did not arrive in time", 413: "too large", 415: "not application/json"}
    for status, text in problems.items():
        answers[status] = {"description": text, "content": PROBLEM}
        if status == 503:
            answers[status]["headers"] = RETRY_AFTER
        if status == 401:
            answers[status]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    return answers
