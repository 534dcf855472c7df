"""JSON schemas of events, from the catalogue of their types: for OpenAPI, AsyncAPI and `/v1/event-types`."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import msgspec

from rookery.model.event_type import EventType

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"
MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXT: Schema = {"type": ["string", "null"]}


def body_schema(row: EventType) -> Schema:
    """The schema of a body, complete in itself."""
    if row.body is None:
        return {"type": "object"}
    return msgspec.json.schema(row.body)


def camel(name: str) -> str:
    """`message.status` as `MessageStatus`."""
    return "".join(word.capitalize() for word in name.replace(".", "_").replace("-", "_").split("_"))


def event_components(types: Iterable[EventType]) -> dict[str, Schema]:
    """Schemas by name: of each body, of each event (`<Type>Event`), of each webhook delivery (`<Type>Delivery`), and of
    any delivery (`AnyDelivery`), discriminated by `type`. A type that several platforms share has a body of one of
    their forms."""
    rows: dict[str, list[EventType]] = {}
    for row in types:
        rows.setdefault(row.name, []).append(row)
    bodies = list({row.body: None for same in rows.values() for row in same if row.body is not None})
    _, found = msgspec.json.schema_components(bodies, ref_template=REF)
    components: dict[str, Schema] = deepcopy(found)
    deliveries: dict[str, str] = {}
    for name, same in rows.items():
        event, delivery = f"{camel(name)}Event", f"{camel(name)}Delivery"
        components[event] = _event(name, same)
        components[delivery] = {
            "type": "object",
            "description": same[0].summary,
            "properties": {
                "type": {"const": name},
                "timestamp": MOMENT,
                "data": {"$ref": REF.format(name=event)},
            },
            "required": ["type", "timestamp", "data"],
        }
        deliveries[name] = REF.format(name=delivery)
    components["AnyDelivery"] = {
        "oneOf": [{"$ref": reference} for reference in deliveries.values()],
        "discriminator": {"propertyName": "type", "mapping": deliveries},
    }
    return components


def _event(name: str, same: list[EventType]) -> Schema:
    bodies: list[Schema] = []
    for row in same:
        body = {"type": "object"} if row.body is None else {"$ref": REF.format(name=row.body.__name__)}
        if body not in bodies:
            bodies.append(body)
    platforms = [row.platform for row in same]
    known = {"type": "string"} if None in platforms else {"type": "string", "enum": platforms}
    properties: Schema = {
        "id": {"type": "integer", "description": "the cursor of every reader"},
        "session": {"type": "string"},
        "platform": known,
        "type": {"const": name},
        "key": {"type": "string", "description": "unique in its session: the same key again is the same event"},
        "time": MOMENT,
        "chat": TEXT,
        "sender": TEXT,
        "body": bodies[0] if len(bodies) == 1 else {"anyOf": bodies},
        "raw": {"description": "the platform's own document"},
    }
    return {
        "type": "object",
        "description": " ".join(dict.fromkeys(row.summary for row in same)),
        "properties": properties,
        "required": list(properties),
    }
