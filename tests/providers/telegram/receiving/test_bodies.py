"""Each kind of update and of message content: an example, the event that it becomes, the description of its body."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe
from rookery_telegram.event_types import EVENT_TYPES
from rookery_telegram.receiving.message_kinds import CONTENT_KINDS, MEDIA_KINDS, SERVICE_KINDS
from rookery_telegram.receiving.updates import ALL_KINDS, to_events
from support.bot_api.received import EXAMPLES

BODIES = {row.name: row.body for row in EVENT_TYPES}
NOW = 1_800_000_000.0


def test_there_is_an_example_of_every_kind() -> None:
    names = {example["name"] for example in EXAMPLES}
    assert names >= {*ALL_KINDS, "text", *MEDIA_KINDS, *CONTENT_KINDS, *SERVICE_KINDS} - {"message"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_an_update_becomes_its_event(example: dict[str, Any]) -> None:
    events, ids = to_events(msgspec.Raw(json.dumps([example["update"]]).encode()), now=lambda: NOW)
    assert list(ids) == [example["update"]["update_id"]]
    found = [
        {
            "type": event.type,
            "chat": event.chat,
            "sender": event.sender,
            "time": event.time,
            "body": json.loads(event.body),
        }
        for event in events
    ]
    assert found == example["events"]
    assert json.loads(events[0].raw) == example["update"]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """Bodies allow no field that the description does not name."""
    description = describe(platform_inputs())
    return dict(json.loads(json.dumps(description["components"]["schemas"])))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["name"])
def test_the_description_of_the_body_holds(example: dict[str, Any], schemas: dict[str, Any]) -> None:
    event = example["events"][0]
    schema = schemas[BODIES[event["type"]].__name__]  # type: ignore[union-attr]
    assert schema["additionalProperties"] is False
    validator = jsonschema_rs.Draft202012Validator(schema | {"components": {"schemas": schemas}})
    validator.validate(event["body"])
    with pytest.raises(jsonschema_rs.ValidationError):
        validator.validate(event["body"] | {"never_heard_of": 1})
