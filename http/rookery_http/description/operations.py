"""One call of the table as an operation of OpenAPI: its parameters, its body, its answers and its problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from rookery.features.validation import ID_PATTERN

from ..api.events import EVENT_STREAM
from ..api.media import ANY, BYTES
from ..api.platform_methods import MethodParameters
from ..call_table import JSON, Call
from ..input.messages import SendMessage
from ..input.parameters import HEADERS, LONGEST_PLACE, NO_NEWLINE
from ..output.problems import MEDIA_TYPE
from . import request_schemas
from .examples import EXAMPLES, Example
from .examples.parameters import parameter_example
from .examples.problems import id_of, problem_example

REF = "#/components/schemas/{name}"
PLACES = {
    "token": ("from `pair-link`", "kDbn0aX3c2hvcAHOZVPxAA"),
    "who": ("a phone number with its country code, or an address, in any form", "4915112345678"),
    "chat": ("the address of a chat, group or channel", "120363000000000001@g.us"),
    "call": ("the id of a call", "3EB0A9C4F1"),
}
"""Names in paths besides `id`, each with a description and an example."""
PLACE_EXAMPLES = {("chats", "chat"): "7", ("channels", "chat"): "120363000000000099@newsletter"}
RETRY_AFTER = {"schema": {"type": "integer", "minimum": 1}, "description": "seconds"}
DESCRIPTIONS = {101: "from now on a WebSocket", 201: "created", 202: "accepted"}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "the thing's own path", "required": True}}

SHARED = {
    401: ("Unauthorized", "the key is missing or wrong"),
    403: ("Forbidden", "the key does not allow this; without an admin key: a web page of another site asks"),
    408: ("BodyTimeout", "the body did not arrive in time"),
    413: ("TooLarge", "the body is too large"),
    415: ("NotJson", "the body does not say that it is application/json"),
    429: ("RateLimited", "the key's rate is used up, see Retry-After"),
    500: ("Bug", "a bug; the answer has the id under which the log tells more"),
    503: ("Unavailable", "the database, or the only instance that can do this, does not answer now"),
}
"""Problems that many calls share, described once: the name of the description, and when the problem happens."""
UPLOAD_PROBLEMS = {
    408: "the body stopped coming",
    411: "the request says neither how long its body is nor that it comes in chunks",
    413: "the file is larger than `ROOKERY_MEDIA_MAX_SIZE`",
    415: "the body does not say what it is, or such files are not taken (`ROOKERY_MEDIA_TYPES`)",
}
OF_A_BODY = {408, 413, 415}

Schema = dict[str, Any]

BINARY: Schema = {"type": "string", "format": "binary"}

FREE_FORMS: dict[str, Schema] = {
    JSON: {"type": "object"},
    EVENT_STREAM: {
        "type": "string",
        "description": "frames of `id:`, `event:` and `data:`, the latter an Event in JSON",
    },
    BYTES: BINARY,
    ANY: BINARY,
}
UPLOADS: Schema = {
    "application/octet-stream": {"schema": BINARY | {"minLength": 1}},
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {"file": BINARY | {"minLength": 1}},
            "required": ["file"],
            "additionalProperties": False,
        }
    },
}
"""The first stands for every type."""


def walk(value: Any) -> Iterator[Schema]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def _body_name(row: Call) -> str:
    """The schema of a call's body; for a free-form body, the schema that documents what it may hold."""
    if hasattr(row.body_shape, "__struct_fields__"):
        return str(row.body_shape.__name__)
    return (SendMessage if row.large else MethodParameters).__name__


def operation(row: Call, components: dict[str, Schema], bodies: Mapping[str, Any], *, key: bool) -> Schema:
    summary, description = row.documentation
    found: Schema = {"operationId": row.name, "tags": [row.tag], "summary": summary}
    needs = ""
    if row.open:
        found["security"] = []
        needs = "Needs no key."
    elif key:
        # A bearer scheme has no scopes of its own in OpenAPI: validators of the description reject them there.
        found["security"] = [{"key": []}]
        needs = f"Needs a key with the scope `{row.scope.value}`." if row.scope else "Needs a key."
        if row.scope:
            found["x-scope"] = row.scope.value
    found["description"] = "\n\n".join(part for part in (description or f"{summary}.", needs) if part)
    parameters = list(_parameters(row, components))
    if parameters:
        found["parameters"] = parameters
    if row.body is not None:
        name = _body_name(row)
        found["requestBody"] = {
            "required": row.body_required,
            "content": {
                JSON: {
                    "schema": {"$ref": REF.format(name=name)},
                    "examples": {example: {"value": value} for example, value in bodies.items()},
                }
            },
        }
    if row.uploads:
        found["requestBody"] = {"required": True, "content": UPLOADS}
    found["responses"] = {str(status): answer for status, answer in sorted(_responses(row).items())}
    return found


def _parameters(row: Call, components: dict[str, Schema]) -> Iterator[Schema]:
    if row.takes_id:
        schema: Schema = {"type": "string", "pattern": ID_PATTERN}
        yield {"name": "id", "in": "path", "required": True, "schema": schema, "example": id_of(row)}
    if "{method}" in row.path:
        schema = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]{1,63}$"}
        yield {"name": "method", "in": "path", "required": True, "schema": schema, "example": "answerCallbackQuery"}
    for name in PLACES:
        if f"{{{name}}}" in row.path:
            text, example = PLACES[name]
            place: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_PLACE}
            if not row.open:
                place["pattern"] = request_schemas.NO_NUL
            yield {
                "name": name,
                "in": "path",
                "required": True,
                "schema": place,
                "description": text,
                "example": PLACE_EXAMPLES.get((row.tag, name), example),
            }
    if row.query is not None:
        required = components[row.query.__name__].get("required", ())
        for name, schema in components[row.query.__name__]["properties"].items():
            parameter = _parameter(row, name, "query", _without_null(schema))
            yield parameter | ({"required": True} if name in required else {})
    wanted = {"Idempotency-Key": row.idempotent, "Last-Event-ID": row.resumes}
    for name, present in wanted.items():
        if present:
            schema = msgspec.json.schema(HEADERS[name])
            for part in walk(schema):
                if "pattern" in part:
                    part["pattern"] = part["pattern"].replace(NO_NEWLINE, "")
            yield _parameter(row, name, "header", schema)


def _parameter(row: Call, name: str, place: str, schema: Schema) -> Schema:
    text = schema.pop("description", None)
    example = parameter_example(row.name, name, schema)
    schema.pop("examples", None)
    told = {"description": text, "example": example}
    return {"name": name, "in": place, "schema": schema} | {
        key: value for key, value in told.items() if value is not None
    }


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


def _responses(row: Call) -> dict[int, Schema]:
    answers: dict[int, Schema] = {}
    examples = EXAMPLES.get(row.name, Example())
    for status, shape in row.answers.items():
        content: Schema = {}
        for form in forms(shape):
            if isinstance(form, str):
                media_type, schema = form, FREE_FORMS.get(form, {"type": "string"})
            else:
                media_type, schema = JSON, {"$ref": REF.format(name=form.__name__)}
            example = examples.answer(status, media_type)
            content[media_type] = {"schema": schema} | ({"example": example} if example is not None else {})
        answers[status] = {"description": DESCRIPTIONS.get(status, "done"), "content": content}
        if status == 201 or row.name == "send_message":
            answers[status]["headers"] = LOCATION
    problems = dict(row.problems)
    if row.uploads:
        problems |= UPLOAD_PROBLEMS
    if row.takes_id:
        problems.setdefault(404, "there is no such thing")
    if not row.open:
        problems.setdefault(400, "something in the request is not as described here; `field` names it")
        if 429 in problems:
            problems[429] += f"; {SHARED[429][1]}"
    answers |= {status: problem(status, text, problem_example(row, status, text)) for status, text in problems.items()}
    shared = {500} if row.open else {401, 403, 429, 500, 503}
    for status in shared | (OF_A_BODY if row.body is not None else set()):
        answers.setdefault(status, {"$ref": f"#/components/responses/{SHARED[status][0]}"})
    return answers


def problem(status: int, text: str, example: Any) -> Schema:
    content = {"schema": {"$ref": REF.format(name="Problem")}, "example": example}
    answer: Schema = {"description": text, "content": {MEDIA_TYPE: content}}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": RETRY_AFTER | {"required": status == 503}}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    return answer
