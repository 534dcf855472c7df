"""The AsyncAPI 3.0 description of what the server pushes: streams and webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from ..api.events import EVENT_STREAM, SOCKET
from ..api.state import PlatformInput
from ..call_table import JSON
from ..output.event_schemas import camel, event_components
from .openapi import catalogue

Schema = dict[str, Any]


def describe_streams(platforms: Mapping[str, PlatformInput] | None = None, *, key: bool = True) -> Schema:
    """The description; its schemas are those of the OpenAPI document."""
    types = catalogue(platforms or {})
    summaries = {row.name: row.summary for row in reversed(types)}
    names = list(dict.fromkeys(row.name for row in types))
    messages: dict[str, Schema] = {}
    for name in names:
        common = {"name": name, "summary": summaries[name], "contentType": JSON}
        messages[f"{camel(name)}Event"] = common | {"payload": _schema(f"{camel(name)}Event")}
        messages[f"{camel(name)}Delivery"] = common | {
            "headers": {
                "type": "object",
                "properties": {
                    "webhook-id": {"type": "string", "description": "the same on every attempt"},
                    "webhook-timestamp": {"type": "string"},
                    "webhook-signature": {"type": "string", "description": "Standard Webhooks, v1"},
                },
            },
            "payload": _schema(f"{camel(name)}Delivery"),
        }
    events = _references([f"{camel(name)}Event" for name in names])
    deliveries = _references([f"{camel(name)}Delivery" for name in names])
    document: Schema = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rookery",
            "version": version("rookery"),
            "description": "Events of the log, over streams and to webhooks. `id` is the cursor: whoever reconnects with the "
            "last one misses nothing.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": JSON,
        "channels": {
            "stream": {
                "address": "/v1/events/stream",
                "title": "Server-sent events",
                "description": f"`{EVENT_STREAM}`: `id:` is the event's id, `event:` its type, `data:` the event in JSON.",
                "messages": events,
            },
            "socket": {"address": SOCKET, "title": "WebSocket, an event a message", "messages": events},
            "webhook": {
                "address": None,
                "title": "The URL of a webhook",
                "description": "In order within a chat, at least once; `webhook-id` tells a repetition.",
                "messages": deliveries,
            },
        },
        "operations": {
            name: {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}
            for name, channel, summary in (
                ("followEvents", "stream", "Follow the log."),
                ("followEventsBySocket", "socket", "Follow the log over a WebSocket."),
                ("deliverEvents", "webhook", "Deliver events to an endpoint."),
            )
        },
        "components": {"messages": messages, "schemas": dict(sorted(event_components(types).items()))},
    }
    if key:
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "ROOKERY_API_KEY, or a key from /v1/keys"}
        }
    return document


def _schema(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _references(names: list[str]) -> Schema:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}
