"""The catalogue of events, and what is made from it."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from rookery import open_engine
from rookery.errors import InvalidInput
from rookery_http.compose import platform_inputs
from rookery_http.description.asyncapi import describe_streams
from rookery_http.description.examples.events import MESSAGE
from rookery_http.description.openapi import describe
from rookery_telegram import Telegram
from rookery_whatsapp import WhatsApp

OPENAPI = json.loads(json.dumps(describe(platform_inputs())))
ASYNCAPI = json.loads(json.dumps(describe_streams(platform_inputs())))


def validator(name: str) -> Any:
    """For one schema of the OpenAPI description, with what it refers to."""
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    )


def test_every_type_is_a_webhook_of_the_description() -> None:
    types = {row.name for row in Telegram.event_types} | {row.name for row in WhatsApp.event_types}
    types |= {"session.status", "session.qr", "session.pairing_code", "message.status", "media.stored", "media.failed"}
    assert set(OPENAPI["webhooks"]) == types | {"event"}
    assert set(OPENAPI["components"]["schemas"]["AnyDelivery"]["discriminator"]["mapping"]) == types


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for path in re.findall(r'"#/([^"]+)"', json.dumps(document)):
        found = document
        for step in path.split("/"):
            found = found[step]


def test_the_schema_of_a_delivery_depends_on_its_type() -> None:
    delivery = {"type": "message", "timestamp": MESSAGE["time"], "data": MESSAGE}
    validator("AnyDelivery").validate(delivery)
    for wrong in (
        MESSAGE | {"type": "mesage"},
        MESSAGE | {"id": "x"},
        MESSAGE | {"type": "session.status"},
        MESSAGE | {"body": {"message_id": 5}},
    ):
        assert not validator("AnyDelivery").is_valid(delivery | {"type": wrong["type"], "data": wrong}), wrong


async def test_what_happens_to_a_session_is_as_described(served: Any) -> None:
    await served.add()
    await served.parrot.say("polly", "hello")
    events = (await served.client.get("/v1/events")).json()["events"]
    assert {event["type"] for event in events} == {"session.status", "message"}
    for event in events:
        if event["type"] == "session.status":
            validator("SessionStatusEvent").validate(event)


async def test_the_list_over_http(served: Any) -> None:
    rows = (await served.client.get("/v1/event-types")).json()["event_types"]
    found = {row["type"]: row for row in rows}
    assert found["session.qr"]["quiet"]
    assert not found["session.status"]["quiet"]
    assert set(found["session.status"]["body"]["$defs"]["SessionStatusBody"]["properties"]) == {
        "status",
        "reason",
        "detail",
        "action",
        "previous",
        "enabled",
        "owner",
    }
    streams = (await served.client.get("/asyncapi.json")).json()
    assert streams["asyncapi"] == "3.0.0"
    assert set(streams["channels"]) == {"stream", "socket", "webhook"}


async def make_webhook(*events: str) -> tuple[str, ...] | None:
    providers = [Telegram(), WhatsApp()]
    async with open_engine(store="memory:", providers=providers) as engine:  # type: ignore[arg-type]
        return (await engine.create_webhook(url="http://x.example/", events=events)).events


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("mesage", "message"),
        ("Message", "message"),
        ("session.stauts", "session.status"),
        ("mesage.*", "message.*"),
        ("sesion.*", "session.*"),
        ("edited_mesage", "edited_message"),
    ],
)
async def test_a_misspelt_type_is_refused_with_the_one_that_was_meant(wrong: str, meant: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await make_webhook("message", wrong)
    assert refused.value.field == "events"
    assert f"{wrong!r}: did you mean {meant!r}?" in str(refused.value)


async def test_a_type_that_nothing_is_like_is_refused_too() -> None:
    with pytest.raises(InvalidInput, match="/v1/event-types lists them"):
        await make_webhook("weather")


async def test_names_and_patterns_of_the_catalogue_are_taken() -> None:
    names = ("*", "message", "message.*", "session.*", "receipt", "callback_query", "media.stored")
    assert await make_webhook(*names) == names


async def test_a_misspelt_type_over_http(served: Any) -> None:
    answer = await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "events": ["sesion.status"]})
    assert answer.status_code == 400
    assert answer.json()["field"] == "events"
    assert "session.status" in answer.json()["detail"]
    made = (await served.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "events": ["*"]})).json()
    changed = await served.client.patch(f"/v1/webhooks/{made['id']}", json={"events": ["sesion.*"]})
    assert changed.status_code == 400
    assert "session.*" in changed.json()["detail"]
