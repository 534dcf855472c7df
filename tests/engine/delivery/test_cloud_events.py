"""CloudEvents 1.0: the structured form, held against the specification's rules for attributes and for JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from rookery.delivery.post import request_body
from rookery.delivery.signature import Signer
from rookery.model.event import Event
from rookery.model.webhook import Delivery, Webhook

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
REQUIRED = ("id", "source", "specversion", "type")
OPTIONAL = ("datacontenttype", "dataschema", "subject", "time")
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)  # RFC 3339
REFERENCE = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.ASCII)  # RFC 3986


def check(document: dict[str, Any]) -> None:
    """Raises AssertionError: the document is no CloudEvent in the JSON format."""
    for name in REQUIRED:
        assert isinstance(document[name], str), name
        assert document[name], f"{name} is empty"
    assert document["specversion"] == "1.0"
    assert REFERENCE.fullmatch(document["source"])
    urlsplit(document["source"])
    for name, value in document.items():
        assert re.fullmatch("[a-z0-9]+", name), f"the name of the attribute {name}"
        if name in ("data", "data_base64"):
            continue
        assert name in REQUIRED + OPTIONAL, f"{name} is an extension that no document names"
        assert isinstance(value, str), f"{name}: an absent attribute is left out"
        assert value, f"{name} is empty"
        for character in value:
            assert not is_forbidden(character), f"{name} holds U+{ord(character):04X}"
    assert DATE_TIME.fullmatch(document["time"]), document["time"]
    datetime.fromisoformat(document["time"])
    assert document["datacontenttype"] == "application/json"
    assert "data_base64" not in document


def is_forbidden(character: str) -> bool:
    """Control characters, surrogates and noncharacters (CloudEvents 1.0.2, type system)."""
    point = ord(character)
    return unicodedata.category(character) in ("Cc", "Cs") or 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE


def event(id: int = 1, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "session": "shop",
        "platform": "telegram",
        "type": "message",
        "key": "5",
        "time": 1_700_000_000.25,
        "chat": "-1001",
        "sender": "9",
        "body": {"text": "hi"},
        "raw": {"update_id": 5},
    }
    return Event(id=id, **fields | changes)


def as_document(one: Event, installation: str = "1f") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        request_body(Delivery("w", one, "lane"), "cloudevents", installation=installation)
    )
    return document


ODD: list[dict[str, Any]] = [
    {},
    {"chat": None, "sender": None},
    {"chat": ""},
    {"chat": "a\x00b\x1f\x7f\x85\n"},
    {"chat": "\ufdd0\ufffe\uffff\U0001ffff"},
    {"chat": "\x00"},
    {"chat": "Grüße 🐦"},
    {"session": "a:b@c.d-e_f"},
    {"type": "session.status", "chat": None, "body": {"status": "CONNECTED"}},
    *({"time": time} for time in (float("nan"), float("inf"), float("-inf"), -1.0, 0.0, 1e300, 253402300799.999)),
    {"raw": None, "body": {}},
]


@pytest.mark.parametrize("changes", ODD, ids=repr)
def test_every_event_is_a_cloud_event(changes: dict[str, Any]) -> None:
    one = event(**changes)
    document = as_document(one)
    check(document)
    data = document["data"]
    assert (data["id"], data["session"], data["chat"], data["body"]) == (one.id, one.session, one.chat, one.body)
    assert data["time"] == document["time"]


def test_source_and_id_name_one_event() -> None:
    documents = [as_document(event(id, session=session)) for id, session in ((1, "a"), (2, "a"), (3, "b"))]
    assert len({(one["source"], one["id"]) for one in documents}) == 3
    assert as_document(event(1, session="a")) == documents[0], "a repetition is the same event"
    elsewhere = as_document(event(1, session="a"), "2e")
    check(elsewhere)
    assert elsewhere["source"] != documents[0]["source"], "another installation counts its own events"
    tests = [as_document(event(0, type="test", key=key)) for key in ("one", "two")]
    assert tests[0]["id"] != tests[1]["id"], "an endpoint that drops repetitions takes every test"
    check(tests[0])


def test_the_content_type_says_that_it_is_structured() -> None:
    delivery = Delivery("w", event(), "lane")
    hook = Webhook(id="w", url="https://example.org/in", secret=SECRET, format="cloudevents", created_at=1.0)
    headers = Signer(hook).headers(delivery, request_body(delivery, "cloudevents"), 1_700_000_001.0)
    assert headers["content-type"].partition(";")[0] == "application/cloudevents+json"
    assert not [name for name in headers if name.startswith("ce-")], "those belong to the binary mode"


@pytest.mark.parametrize(
    "document", [{"id": ""}, {"source": "a b"}, {"time": ""}, {"subject": "a\x00"}, {"chatId": "7"}]
)
def test_the_check_finds_what_is_wrong(document: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        check(as_document(event()) | document)
