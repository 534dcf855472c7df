"""Every call has examples that are true: they fit their schemas, and a real server takes and gives such documents."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
import trio

import rookery_http
from rookery.model.event import NewEvent
from rookery_http.call_table import TABLE
from rookery_http.description.examples import EXAMPLES
from rookery_http.description.openapi import describe

NO_EXAMPLE = {"image/png", "text/html"}  # a picture, and a page that is longer than the description
SOURCES = Path(rookery_http.__file__).parent
REFUSED = {
    "drain": 409,
    "call_telegram": 404,
    "leave_telegram_server": 404,
    "show_pairing_page": 404,
    "session_pairing_code": 409,
}  # on SQLite no instance takes sessions over, and the test platform is no bot and shows a QR code
OF_A_BOT = "any method, stored"
NEED_A_CONNECTION = {"contacts", "groups", "channels", "profile"}
HAS_NO_END = {"event_socket"}
TELL = "add one to http/rookery_http/examples/"


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def validator(description: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(schema | {"components": description["components"]})


def contents(description: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            answer = description["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        for media_type, content in answer["content"].items():
            yield status, media_type, content


def test_every_call_has_examples_that_fit(platforms: Any) -> None:
    description = describe(platforms)
    assert not EXAMPLES.keys() - {row.name for row in TABLE}
    for _, _, operation in operations(description):
        name = operation["operationId"]
        for parameter in operation.get("parameters", ()):
            assert "example" in parameter, (
                f"{name}: no example of the parameter {parameter['name']}; {TELL}parameters.py"
            )
            validator(description, parameter["schema"]).validate(parameter["example"])
        if "requestBody" in operation:
            content = operation["requestBody"]["content"].get("application/json")
            assert content is None or content["examples"], f"{name}: no example of a body; {TELL}"
            for example in content["examples"].values() if content else ():
                validator(description, content["schema"]).validate(example["value"])
        for status, media_type, content in contents(description, operation):
            if media_type in NO_EXAMPLE:
                continue
            assert "example" in content, f"{name}: no example of the answer {status} as {media_type}; {TELL}"
            validator(description, content["schema"]).validate(content["example"])
            if media_type == "application/problem+json":
                assert content["example"]["status"] == int(status), (name, content["example"])


def test_the_examples_for_telegram_and_whatsapp_fit_as_well() -> None:
    from rookery_http.compose import platform_inputs

    description = describe(platform_inputs())
    content = description["paths"]["/v1/sessions"]["post"]["requestBody"]["content"]["application/json"]
    assert content["examples"].keys() == {"telegram", "whatsapp"}
    for example in content["examples"].values():
        validator(description, content["schema"]).validate(example["value"])


async def _stage(served: Any) -> dict[str, str]:
    """The things that the examples speak of; returns what their ids are here."""
    client = served.client
    hook = await client.post("/v1/webhooks", json={"url": "https://example.org/rookery", "id": "hook"})
    key = await client.post("/v1/keys", json={"id": "reader", "scopes": ["read"]})
    sink = await client.post("/v1/sinks", json={"url": "nats://127.0.0.1:9", "id": "sink", "enabled": False})
    assert (hook.status_code, key.status_code, sink.status_code) == (201, 201, 201)
    await served.add("shop")
    await served.parrot.say("shop", "hello")
    served.parrot.codes["shop"] = Code("qr", "some code", 1_700_000_060.0)
    sent = await client.post("/v1/sessions/shop/messages", json={"to": "7", "text": "hi"})
    assert sent.status_code == 200, sent.text
    ids = {"sessions": "shop", "webhooks": "hook", "sinks": "sink", "keys": "reader", "messages": sent.json()["id"]}
    file = await served.engine.store_media(b"some bytes")
    body = b'{"kind": "image", "media": {"mime_type": "image/png"}}'
    await served.parrot.inboxes["shop"].commit([NewEvent("m1", "message", 1.0, "7", "9", body, b"null")], None)
    *_, event = await served.engine.read_events()
    return ids | {"media": file.id, "events": str(event.id)}


class Code:
    """What the parrot pairs with."""

    def __init__(self, kind: str, code: str, expires_at: float) -> None:
        self.kind, self.code, self.expires_at = kind, code, expires_at


async def test_a_real_server_takes_and_gives_such_documents(serve: Any, platforms: Any) -> None:
    """Each example of a body is sent, each call without one is made, each answer is held against its schema."""
    description = json.loads(json.dumps(describe(platforms)))
    destructive = ("delete_", "erase_", "revoke_", "cancel_")
    asked = sorted(operations(description), key=lambda item: item[2]["operationId"].startswith(destructive))
    async with serve(key="k") as served:
        ids = await _stage(served)
        for method, path, operation in asked:
            name = operation["operationId"]
            if name in HAS_NO_END:
                continue
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for title, example in content.get("examples", {"": None}).items():
                if title == OF_A_BOT:
                    continue
                if name in ("create_session", "cancel_message", "download_message_media"):
                    await _make_room(served, ids, name)
                url = path.replace("{id}", quote(ids.get(path.split("/")[2], ""), safe="")) if "{id}" in path else path
                for parameter in operation.get("parameters", ()):
                    if parameter["in"] == "path" and parameter["name"] != "id":
                        url = url.replace(f"{{{parameter['name']}}}", quote(parameter["example"], safe=""))
                query = {"timeout": "0.05"} if name == "follow_events" else {}
                query |= {"link": "AbCdEfGhIjKlMn"} if name == "preview_group" else {}
                body = {"json": example["value"]} if example else {}
                if isinstance(body.get("json", {}).get("media"), str):
                    body["json"]["media"] = ids["media"]
                if name == "create_sink":
                    body["json"]["enabled"] = False  # whatever listens on the usual ports of this machine is left alone
                if name == "upload_media":
                    body = {"content": b"some bytes", "headers": {"Content-Type": "application/octet-stream"}}
                if example and "send_at" in example["value"]:
                    body["json"]["send_at"] = in_an_hour()  # the example's own time will be too long ago some day
                if set(operation["tags"]) & NEED_A_CONNECTION:
                    await served.engine.start("shop")  # another call has stopped it
                    with trio.fail_after(30):
                        await served.engine.wait_status("shop", "CONNECTED")
                with trio.fail_after(30):
                    answer = await served.client.request(method, url, params=query, **body)
                where = f"{name} {title}: {answer.status_code} {answer.text}"
                assert answer.status_code == REFUSED.get(name, answer.status_code), where
                assert answer.status_code < 300 or name in REFUSED, where
                media_type = answer.headers["content-type"].partition(";")[0]
                schema, *_ = [
                    content["schema"]
                    for status, known, content in contents(description, operation)
                    if status == str(answer.status_code) and known in (media_type, "*/*")
                ]
                if "json" in media_type:
                    validator(description, schema).validate(answer.json())


def in_an_hour() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))


async def _make_room(served: Any, ids: dict[str, str], name: str) -> None:
    if name == "create_session":
        assert (await served.client.delete("/v1/sessions/shop")).status_code == 200
    else:
        later: dict[str, Any] = {"to": "7", "text": "hi", "send_at": in_an_hour()}
        if name == "download_message_media":
            later = {"to": "7", "type": "document", "data": "aGk=", "filename": "hi.txt"}
        made = await served.client.post("/v1/sessions/shop/messages", json=later)
        ids["messages"] = made.json()["id"]


def test_problems_have_the_codes_of_real_ones(platforms: Any) -> None:
    """The `type` of each example is one that the server's own code knows."""
    code = "".join(file.read_text() for file in SOURCES.rglob("*.py") if "examples" not in file.parts)
    description = describe(platforms)
    for _, _, operation in operations(description):
        for _, media_type, content in contents(description, operation):
            if media_type == "application/problem+json":
                kind = content["example"]["type"].rpartition(":")[2]
                assert f'"{kind}"' in code, (operation["operationId"], kind)


@pytest.mark.parametrize("key", [True, False])
def test_the_page_shows_them(platforms: Any, key: bool) -> None:
    from rookery_http.output.docs_page import page

    description = describe(platforms, key=key)
    text = page(description)
    assert "WhatsApp chat" in text
    assert "which <code>state</code> names" in text
    assert "Your order is &lt;b&gt;paid&lt;/b&gt;." in text
    assert "there is no session &#x27;shop&#x27;" in text
    assert ("Needs a key with the scope <code>send</code>" in text) is key
    for tag in description["tags"]:
        assert f"id='{tag['name']}'" in text
