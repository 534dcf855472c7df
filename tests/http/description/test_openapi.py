"""The description is complete, and the server behaves as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
import trio

from rookery.errors import InvalidInput
from rookery.model.content import KINDS
from rookery_http.access import wrong_keys
from rookery_http.call_table import TABLE
from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe
from rookery_http.input import messages
from rookery_http.output.docs_page import page
from rookery_telegram.bot_api.proxy import check_proxy as telegram_proxy
from rookery_whatsapp.settings import check_proxy as whatsapp_proxy


def test_every_call_is_described(platforms: Any) -> None:
    description = describe(platforms)
    described = {(method.upper(), path) for path, operations in description["paths"].items() for method in operations}
    assert described == {(row.method, row.path) for row in TABLE}
    names = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere_and_every_schema_is_used(platforms: Any) -> None:
    description = describe(platforms)
    text = json.dumps(description)
    for kind, defined in description["components"].items():
        if kind != "securitySchemes":
            assert set(re.findall(rf'"#/components/{kind}/([^"]+)"', text)) == set(defined), kind


def test_requests_are_closed_and_bounded(platforms: Any) -> None:
    schemas = describe(platforms)["components"]["schemas"]
    for name in ("CreateParrot", "ChangeSession", "CreateWebhook", "ChangeWebhook", "Replay", "SendText", "SendImage"):
        assert schemas[name]["additionalProperties"] is False, name
    assert "(?!" not in json.dumps(schemas), "lookaheads are our own business"


def test_no_schema_is_named_like_one_of_its_fields(platforms: Any) -> None:
    """Generators of clients name variables after both."""
    for name, schema in describe(platforms)["components"]["schemas"].items():
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        same = schema.get("properties", {}).get(snake, {})
        assert same.get("type") != "array", f"{name}: name it otherwise, such as {name.rstrip('s')}List"


def test_no_content_has_a_field_of_the_envelope() -> None:
    fields = {field.encode_name for kind in KINDS.values() for field in msgspec.structs.fields(kind)}
    assert "text" in fields
    assert not fields & messages.ENVELOPE


def test_security_is_stated_as_it_is() -> None:
    with_key, without = describe(key=True), describe(key=False)
    assert with_key["security"]
    assert with_key["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in without


async def test_the_served_description_and_page(serve: Any, platforms: Any) -> None:
    async with serve(key="k") as served:
        description = (await served.client.get("/openapi.json")).json()
        assert description == json.loads(json.dumps(describe(platforms, key=True)))
        answer = await served.client.get("/docs")
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in answer.headers["content-security-policy"]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids |= {value or "" for name, value in attrs if name == "id"}


def test_the_page_needs_nothing_from_elsewhere(platforms: Any) -> None:
    parser = _Links()
    parser.feed(page(describe(platforms)))
    assert not parser.tags & {"script", "link", "img", "iframe"}
    for target in parser.targets:
        assert target in ("openapi.json", "asyncapi.json") or target.removeprefix("#") in parser.ids, target
    assert {row.name for row in TABLE} <= parser.ids


SETTINGS = """
[[operations]]
include-name = "GET /v1/events/stream"
parameters = { "query.timeout" = 0.05 }  # without it the answer has no end

[[operations]]
include-tag = "sinks"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "404", "409", "422", "5xx"]
# 422: what an address and a target may be depends on the kind of broker, which no schema can say
"""


@pytest.mark.slow
@pytest.mark.parametrize(("key", "seconds"), [(None, 8), ("sesame", 20)])
async def test_schemathesis_finds_nothing(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Any, seconds: Any
) -> None:
    """All of its checks: no 5xx, no undocumented answer, nothing valid refused, nothing invalid taken."""
    monkeypatch.setattr(wrong_keys, "FREE", 10**6)  # it tries a wrong key with every call
    async with serve(key=key) as served:
        await served.add()
        await served.parrot.say("polly", "hello")
        (tmp_path / "schemathesis.toml").write_text(SETTINGS)
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"),
            *("--exclude-path", "/v1/events/ws"),  # not for a client of HTTP alone
            *(
                "--max-time",
                str(seconds),
                "--request-timeout",
                "20",
                "--seed",
                "20251121",
                "--generation-database",
                "none",
            ),
            *(["-H", f"Authorization: Bearer {key}"] if key else []),
        ]
        with trio.fail_after(120):
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.STDOUT, check=False, cwd=tmp_path
            )
        assert done.returncode == 0, done.stdout.decode()[-6000:]


@pytest.mark.parametrize("key", [True, False])
def test_what_common_linters_ask_for(key: Any) -> None:
    """The rules of spectral:oas that found something here once; `.spectral.yaml` runs all of them."""
    description = describe(platform_inputs(), key=key)
    assert description["info"]["contact"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["description"].strip(), (method, path)
            assert operation["tags"]
            if path != "/v1/events/ws":
                assert [status for status in operation["responses"] if status[0] in "23"], (method, path)
            for requirement in operation.get("security", ()):
                assert requirement == {"key": []}, "a bearer scheme declares no scopes"
    for schema in walk(description["components"]["schemas"]):
        if schema.get("type") == "array":
            assert "items" in schema, schema


def walk(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


async def test_parts_of_a_path_are_as_long_as_described(served: Any) -> None:
    await served.add()
    for path, name in (
        ("/v1/sessions/polly/contacts/{}", "who"),
        ("/v1/sessions/polly/groups/{}", "chat"),
        ("/v1/sessions/polly/channels/{}", "chat"),
        ("/v1/sessions/polly/chats/{}/messages", "chat"),
    ):
        assert (await served.client.get(path.format("1" * 128))).status_code == 200, path
        for wrong in ("1" * 129, "1%00"):
            answer = await served.client.get(path.format(wrong))
            assert (answer.status_code, answer.json()["field"]) == (400, name), path


def test_what_a_request_cannot_do_without_is_described() -> None:
    description = describe(platform_inputs())
    schemas = description["components"]["schemas"]
    for name, nothing, one in (
        ("Presence", {}, {"subscribe": "+4915112345678"}),
        ("Presence", {"state": None}, {"state": "online", "subscribe": None}),
        ("ChangeParticipants", {"add": None}, {"demote": ["+4915112345678"]}),
        ("Item", {"type": "image"}, {"type": "image", "media": "event-4711"}),
    ):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        validator = jsonschema_rs.Draft202012Validator(schema)
        assert not validator.is_valid(nothing), name
        assert validator.is_valid(one), name
    preview = description["paths"]["/v1/sessions/{id}/groups/preview"]["get"]
    assert [one["name"] for one in preview["parameters"] if one.get("required")] == ["id", "link"]


def test_kinds_of_messages_are_told_apart_by_their_type() -> None:
    schemas = describe(platform_inputs())["components"]["schemas"]
    kinds = schemas["SendMessage"]
    assert kinds["discriminator"]["propertyName"] == "type"
    mapping = kinds["discriminator"]["mapping"]
    assert set(mapping.values()) == {choice["$ref"] for choice in kinds["anyOf"]}
    for name, reference in mapping.items():
        assert name in schemas[reference.rpartition("/")[2]]["properties"]["type"]["enum"]


@pytest.mark.parametrize("platform", ["Telegram", "Whatsapp"])
@pytest.mark.parametrize(
    ("proxy", "right"),
    [
        ("http://proxy.example:3128", True),
        ("http://proxy.example:10800", True),
        ("socks5://user:p%40ss@host:65535", True),
        ("https://[2001:db8::1]:1080/", True),
        ("http://proxy.example:65536", False),
        ("http://proxy.example:0", False),
        ("ftp://proxy.example", False),
        ("http://[:::]:1", False),
        ("http://proxy.example/path", False),
        ("proxy.example:3128", False),
    ],
)
def test_the_description_takes_the_proxies_that_the_server_takes(platform: Any, proxy: Any, right: Any) -> None:
    schema = describe(platform_inputs())["components"]["schemas"][f"{platform}Settings"]["properties"]["proxy"]
    pattern = next(choice["pattern"] for choice in schema["anyOf"] if "pattern" in choice)
    assert bool(re.search(pattern, proxy)) is right
    check = telegram_proxy if platform == "Telegram" else whatsapp_proxy
    if right:
        check(proxy, "settings.proxy")
    else:
        with pytest.raises(InvalidInput):
            check(proxy, "settings.proxy")
