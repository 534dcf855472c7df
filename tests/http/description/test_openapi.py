"""The description is complete, and strangers who take it at its word find no lie."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import trio

from rookery_http.access import wrong_keys
from rookery_http.api import messages
from rookery_http.calls import TABLE
from rookery_http.description.openapi import describe
from rookery_http.output.docs_page import page


def test_every_call_is_described(platforms):
    description = describe(platforms)
    described = {(method.upper(), path) for path, operations in description["paths"].items() for method in operations}
    assert described == {(row.method, row.path) for row in TABLE}
    names = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere_and_every_schema_is_used(platforms):
    description = describe(platforms)
    text = json.dumps(description)
    for kind, defined in description["components"].items():
        if kind != "securitySchemes":
            assert set(re.findall(rf'"#/components/{kind}/([^"]+)"', text)) == set(defined), kind


def test_requests_are_closed_and_bounded(platforms):
    schemas = describe(platforms)["components"]["schemas"]
    for name in ("CreateParrot", "ChangeSession", "CreateWebhook", "ChangeWebhook", "Replay", "SendText", "SendImage"):
        assert schemas[name]["additionalProperties"] is False, name
    assert "(?!" not in json.dumps(schemas), "lookaheads are our own business"


def test_no_schema_is_named_like_one_of_its_fields(platforms):
    """Generators of clients name variables after both."""
    for name, schema in describe(platforms)["components"]["schemas"].items():
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        same = schema.get("properties", {}).get(snake, {})
        assert same.get("type") != "array", f"{name}: name it otherwise, such as {name.rstrip('s')}List"


def test_no_content_has_a_field_of_the_envelope():
    assert not messages._CONTENT_FIELDS & messages._ENVELOPE


def test_security_is_stated_as_it_is():
    with_key, without = describe(key=True), describe(key=False)
    assert with_key["security"]
    assert with_key["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in without


async def test_the_served_description_and_page(serve, platforms):
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


def test_the_page_needs_nothing_from_elsewhere(platforms):
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
"""


@pytest.mark.slow
@pytest.mark.parametrize(("key", "seconds"), [(None, 8), ("sesame", 20)])
async def test_schemathesis_finds_nothing(serve, tmp_path, monkeypatch, key, seconds):
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
