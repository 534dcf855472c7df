"""The command line reaches whatever the API does. Each command runs against a server that answers with the examples of the
description, so what it sends is checked against the description, and what it shows comes from documents that are true."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import trio

from rookery_http.cli.application import run
from rookery_http.compose import platform_inputs
from rookery_http.description.openapi import describe

DESCRIPTION = json.loads(json.dumps(describe(platform_inputs())))
TOKEN = "123456:AAbbCC"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
WITHOUT_A_COMMAND = {
    "healthz": "a probe; `rookery healthcheck` asks it",
    "readyz": "a probe",
    "openapi": "`rookery openapi` prints it without a server",
    "asyncapi": "`rookery openapi --async` prints it without a server",
    "docs": "for a browser",
    "show_pairing_page": "for the browser of a phone's owner",
    "event_socket": "`rookery events --follow` follows over the stream",
}
VERBS = ("start", "stop", "restart", "enable", "disable", "logout", "retry")
COMMANDS: dict[str, list[str]] = {
    "create_session": [
        f"sessions add shop --token {TOKEN} --wait 0",
        'sessions add a --platform whatsapp --credential account=4915112345678 --settings {"takeover":true} --wait 0',
        'sessions add --name Shop --metadata {"a":1} --disabled --wait 0 --token ' + TOKEN,
    ],
    "list_sessions": ["sessions list --platform telegram --status connected --enabled"],
    "get_session": ["sessions show shop"],
    "update_session": [
        "sessions set shop --name Shop --settings {}",
        'sessions set shop --metadata {"a":1} --token ' + TOKEN,
    ],
    "delete_session": ["sessions delete shop --yes"],
    **{f"{verb}_session": [f"sessions {verb} shop"] for verb in VERBS},
    "session_history": ["sessions history shop"],
    "session_qr": ["sessions qr shop"],
    "create_pair_link": ["sessions pair-link shop --expires-in 600"],
    "request_pairing_code": ["sessions pairing-code shop +4915112345678"],
    "terminate_inactive": ["sessions terminate-inactive -y"],
    "send_message": [
        "send shop 7 hi",
        "send shop 7 hi --strict",
        "messages send shop 7 hi --at 2026-01-31T12:00:00Z --ttl 5 --reply-to 4 --idempotency-key k --wait 0",
        "send shop 7 look --file-url https://example.org/a.png --type image",
        "send shop 7 --media 019c1410 --type video",
        'send shop 7 --content {"type":"location","latitude":1,"longitude":2}',
    ],
    "call_telegram": [
        "call shop answerCallbackQuery callback_query_id=4382 text=hi",
        'call shop sendMessage chat_id=7 reply_markup={"inline_keyboard":[]}',
    ],
    "list_contacts": ["whatsapp contacts shop --q bob"],
    "get_contact": ["whatsapp contact shop +4915112345678"],
    "get_picture": ["whatsapp picture shop +4915112345678"],
    "check_contacts": ["whatsapp check shop +4915112345678 +4915100000099"],
    "block_contact": ["whatsapp block shop +4915112345678"],
    "unblock_contact": ["whatsapp unblock shop +4915112345678"],
    "list_blocked": ["whatsapp blocked shop"],
    "list_groups": ["whatsapp groups shop"],
    "get_group": ["whatsapp group shop 120363000000000001@g.us"],
    "create_group": [
        "whatsapp create-group shop Friends +4915112345678 --community",
        "whatsapp create-group shop Street --parent 120363000000000001@g.us",
    ],
    "update_group": [
        "whatsapp change-group shop 120363000000000001@g.us --name Friends --description x --only-admins-send "
        f"--no-only-admins-edit --expires-in 0 --picture {__file__}"
    ],
    "change_participants": [
        f"whatsapp members shop 120363000000000001@g.us {change} +4915112345678"
        for change in ("add", "remove", "promote", "demote")
    ],
    "list_join_requests": ["whatsapp requests shop 120363000000000001@g.us"],
    "get_invite": ["whatsapp invite shop 120363000000000001@g.us"],
    "reset_invite": ["whatsapp invite shop 120363000000000001@g.us --reset"],
    "join_group": ["whatsapp join shop https://chat.whatsapp.com/AbCdEfGhIjKlMn"],
    "preview_group": ["whatsapp preview shop AbCdEfGhIjKlMn"],
    "leave_group": ["whatsapp leave shop 120363000000000001@g.us"],
    "list_channels": ["whatsapp channels shop"],
    "get_channel": ["whatsapp channel shop 120363000000000099@newsletter"],
    "follow_channel": ["whatsapp follow shop 120363000000000099@newsletter"],
    "unfollow_channel": ["whatsapp unfollow shop 120363000000000099@newsletter"],
    "get_profile": ["whatsapp profile shop"],
    "update_profile": [f"whatsapp profile shop --name Shop --about open --picture {__file__}"],
    "set_presence": ["whatsapp presence shop --state online --subscribe +4915112345678"],
    "reject_call": ["whatsapp reject shop 3EB0A9C4F1"],
    "send_batch": ['messages batch shop [{"to":"7","text":"hi"}]'],
    "list_messages": [
        "messages list shop --state queued --chat 7 --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z --limit 2"
    ],
    "get_message": ["messages show 019c1410"],
    "download_message_media": ["media download 019c1410 --message"],
    "cancel_message": ["messages cancel 019c1410"],
    "list_chats": ["chats shop --search ann --limit 5"],
    "read_chat": ["chats shop 7 --limit 5"],
    "keep_chat": ["chats shop 7 --keep 30"],
    "erase_chat": ["chats shop 7 --erase --yes"],
    "read_events": ["events --session shop --chat 7 --type message --after 0 --limit 1"],
    "list_event_types": ["event-types"],
    "follow_events": [
        "events --follow --last 5 --limit 1 --timeout 2",
        "events --follow --after 0 --session shop --type message --timeout 2",
    ],
    "upload_media": ["media upload pyproject.toml --type text/plain --session shop"],
    "list_media": ["media list --session shop --origin inbound --state stored --before 9 --limit 2"],
    "download_media": ["media download 019c1410"],
    "delete_media": ["media delete 019c1410"],
    "download_event_media": ["media download 4711 --event"],
    "fetch_event_media": ["media fetch 4711"],
    "create_webhook": [
        "webhooks add https://example.org/x --session shop --events message --chat 7 --timeout 5 --replies",
        "webhooks add https://example.org/x --format cloudevents",
        f"webhooks add https://example.org/x --id w --secret {SECRET} --header X-Mine:1 --disabled",
    ],
    "test_webhook": ["webhooks test wh-1"],
    "list_webhooks": ["webhooks list --session shop"],
    "get_webhook": ["webhooks show wh-1"],
    "update_webhook": [
        "webhooks set wh-1 --all",
        "webhooks set wh-1 --format rookery --no-replies",
        "webhooks set wh-1 --endpoint https://example.org/y --header X-Mine:1 --timeout 5",
        "webhooks enable wh-1",
        "webhooks disable wh-1",
    ],
    "rotate_webhook_secret": [f"webhooks rotate-secret wh-1 --grace 60 --secret {SECRET}"],
    "delete_webhook": ["webhooks delete wh-1"],
    "dead_letters": ["webhooks dead-letters wh-1"],
    "replay": [
        "webhooks replay wh-1",
        "webhooks replay wh-1 --event 1 --session shop --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z",
    ],
    "create_sink": [
        "sinks add nats://127.0.0.1:4222 --target a.{session} --session shop --events message --chat 7 --timeout 5",
        "sinks add redis://127.0.0.1:6379 --id r --disabled",
    ],
    "list_sinks": ["sinks list --session shop"],
    "get_sink": ["sinks show sk-1"],
    "update_sink": [
        "sinks set sk-1 --all",
        "sinks set sk-1 --broker nats://127.0.0.1:4223 --target b.{type} --timeout 5",
        "sinks enable sk-1",
        "sinks disable sk-1",
    ],
    "delete_sink": ["sinks delete sk-1"],
    "test_sink": ["sinks test sk-1"],
    "sink_dead_letters": ["sinks dead-letters sk-1"],
    "replay_sink": [
        "sinks replay sk-1",
        "sinks replay sk-1 --event 1 --session shop --since 2026-01-31T12:00:00Z --until 2026-02-01T00:00:00Z",
    ],
    "create_key": ["keys add --scope read --session shop --id backend --days 2 --name Backend --rate 5"],
    "list_keys": ["keys list"],
    "get_key": ["keys show backend"],
    "revoke_key": ["keys revoke backend"],
    "read_audit": ["audit --of backend --session shop --limit 3"],
    "health": ["health"],
    "overview": ["overview"],
    "check_health": ["check", "check shop other"],
    "memory": ["memory"],
    "check_memory": ["memory --guard"],
    "check_recovery": ["recover"],
    "check_cleaner": ["clean"],
    "debug_tasks": ["tasks"],
    "list_instances": ["instances"],
    "drain": ["drain --timeout 5"],
    "metrics": ["metrics"],
}
NO_JSON = {"download_message_media", "call_telegram", "metrics", "download_media", "download_event_media"}
LINES = {"read_events", "follow_events"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DESCRIPTION["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def check(schema: dict[str, Any], value: Any) -> None:
    jsonschema_rs.Draft202012Validator(schema | {"components": DESCRIPTION["components"]}).validate(value)


class Answering(httpx.BaseTransport):
    """A server that only knows the description. `calls` are the ids of the operations that were asked for."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.told: set[tuple[str, str]] = set()  # operation, and a parameter or field that was sent
        self.status: int | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        operation = self._operation(request)
        self.calls.append(operation["operationId"])
        self._check_query(request, operation)
        content = request.read()
        if operation["operationId"] == "upload_media":
            assert content == Path("pyproject.toml").read_bytes()
            assert request.headers["content-type"] == "text/plain"
        elif content:
            check(operation["requestBody"]["content"]["application/json"]["schema"], json.loads(content))
            self.told |= {(operation["operationId"], name) for name in json.loads(content)}
        else:
            assert not operation.get("requestBody", {}).get("required"), "a body is missing"
        status, answer = next((status, answer) for status, answer in operation["responses"].items() if status < "300")
        wanted = request.headers["accept"]
        media_type = wanted if wanted in answer["content"] else next(iter(answer["content"]))
        example = answer["content"][media_type]["example"]
        if isinstance(example, dict) and example.get("next") is not None:
            example = example | {"next": None}
        text = example if isinstance(example, str) else json.dumps(example)
        return httpx.Response(int(status), text=text, headers={"content-type": media_type})

    def _operation(self, request: httpx.Request) -> dict[str, Any]:
        fitting = [
            (path, operation)
            for method, path, operation in operations()
            if method == request.method and re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.url.path)
        ]
        assert fitting, f"there is no {request.method} {request.url.path}"
        return min(fitting, key=lambda item: item[0].count("{"))[1]

    def _check_query(self, request: httpx.Request, operation: dict[str, Any]) -> None:
        known = {item["name"]: item["schema"] for item in operation.get("parameters", ()) if item["in"] == "query"}
        for name, text in request.url.params.items():
            assert name in known, f"{operation['operationId']} takes no {name}"
            self.told.add((operation["operationId"], name))
            schema = known[name]
            value = json.loads(text) if schema.get("type") in ("integer", "number", "boolean") else text
            check(schema, value)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Answering:
    for name in [name for name in os.environ if name.startswith("ROOKERY_")]:
        monkeypatch.delenv(name)
    answering = Answering()
    make = httpx.Client.__init__

    def init(self: httpx.Client, **options: Any) -> None:
        make(self, **options | {"transport": answering})

    monkeypatch.setattr(httpx.Client, "__init__", init)
    return answering


def test_every_call_has_a_command() -> None:
    names = {operation["operationId"] for _, _, operation in operations()}
    missing = names - COMMANDS.keys() - WITHOUT_A_COMMAND.keys()
    assert not missing, f"give them a command in rookery_http/cli and a line in COMMANDS here: {sorted(missing)}"
    assert not (COMMANDS.keys() | WITHOUT_A_COMMAND.keys()) - names, "these calls are no more"


@pytest.mark.parametrize(("name", "command"), [(name, line) for name, lines in COMMANDS.items() for line in lines])
def test_a_command_makes_its_call(
    server: Answering, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    assert run(command.split()) == 0, capsys.readouterr().err
    assert set(server.calls) == {name}
    shown = capsys.readouterr()
    assert shown.out.strip()
    assert shown.err == ""
    assert "None" not in shown.out
    if name in NO_JSON:
        return
    assert run([*command.split(), "--json"]) == 0
    shown = capsys.readouterr()
    documents = shown.out.splitlines() if name in LINES else [shown.out]
    assert [json.loads(document) for document in documents]


def fields(schema: dict[str, Any]) -> Iterator[str]:
    """The names of what may stand in a body."""
    if "$ref" in schema:
        schema = DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("properties", ())
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from fields(part)


def test_the_commands_have_the_same_reach(server: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    """Every parameter and every field of the description is sent by one of the lines above."""
    for line in [line for lines in COMMANDS.values() for line in lines]:
        assert run(line.split()) == 0, capsys.readouterr().err
    possible = set()
    for _, _, operation in operations():
        name = operation["operationId"]
        if name in COMMANDS:
            possible |= {(name, item["name"]) for item in operation.get("parameters", ()) if item["in"] == "query"}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {"schema": {}})
            if name != "send_message":  # of which --content takes everything
                possible |= {(name, field) for field in fields(body["schema"])}
    missing = {(name, field) for name, field in possible - server.told if field not in ("after", "before")}
    missing -= {("update_session", "enabled"), ("update_webhook", "secret")}  # by commands of their own
    assert not missing, "give them an option, and send it in COMMANDS"


def test_following_goes_on_after_a_restart(
    server: Answering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends with 3 when nobody comes back; whoever sets an end gets one."""
    from rookery_http.cli import events

    event = {
        "session": "shop",
        "type": "message",
        "time": "2026-01-31T12:00:00.000Z",
        "chat": "7",
        "body": {"text": "x"},
    }
    answers = iter([[1, 2], None, [3], [], None, [4]])
    resumed = []

    def restarting(request: httpx.Request) -> httpx.Response:
        resumed.append(request.headers.get("last-event-id"))
        ids = next(answers, None)
        if ids is None:
            raise httpx.ConnectError("refused")
        lines = [f"id: {id}\nevent: message\ndata: {json.dumps(event | {'id': id})}\n\n" for id in ids]
        return httpx.Response(200, text="".join(["retry: 2000\n\n", *lines]))

    monkeypatch.setattr(server, "handle_request", restarting)
    monkeypatch.setattr(events, "RETRY", 0)
    monkeypatch.setattr(events, "PATIENCE", 0.2)
    assert run(["events", "--follow", "--json"]) == 3
    shown = capsys.readouterr()
    assert [json.loads(line)["id"] for line in shown.out.splitlines()] == [1, 2, 3, 4]
    assert resumed[:6] == [None, "2", "2", "3", "3", "3"]
    assert "no server answers" in shown.err.splitlines()[-1]
    answers = iter([[5], [6]])
    assert run(["events", "--follow", "--json", "--limit", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_pairing_in_a_terminal(
    server: Answering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from rookery_http.cli import pairing

    states = iter(["DISCONNECTED", "QR_REQUIRED", "QR_REQUIRED", "CONNECTED"])
    answer = server.handle_request

    def changing(request: httpx.Request) -> httpx.Response:
        found = answer(request)
        if request.method == "GET" and request.url.path == "/v1/sessions/shop":
            return httpx.Response(200, json=found.json() | {"status": next(states)})
        return found

    monkeypatch.setattr(server, "handle_request", changing)
    monkeypatch.setattr(pairing, "LOOK_EVERY", 0)
    assert run(["sessions", "pair", "shop"]) == 0
    assert capsys.readouterr().out.count("▀▀▀▀▀") == 2, "the code once, in two halves of its line"
    assert run(["sessions", "qr", "shop", "--save", str(tmp_path / "code.svg")]) == 0
    assert (tmp_path / "code.svg").read_text().startswith("<svg")
    assert run(["sessions", "qr", "shop", "--save", str(tmp_path / "code.gif")]) == 2


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("sessions show", 2, "Missing argument 'id'. (see rookery sessions show --help)"),
        ("nonsense", 2, "No such command 'nonsense'. (see rookery --help)"),
        ("sessions nonsense", 2, "No such command 'nonsense'"),
        ("sessions list --colour", 2, "No such option"),
        ("sessions set shop", 2, "say what to change"),
        ("sessions set shop --settings [", 2, "a JSON object"),
        ("sessions add x --credential token", 2, "NAME=VALUE"),
        ("send shop 7 --file /nonexistent/file", 1, "/nonexistent/file: No such file"),
        ("send shop 7 --media a --file-url b", 2, "one of --file, --file-url and --media"),
        ("sessions delete shop", 1, "add --yes"),
        ("--url nonsense sessions list", 2, "No such option"),
        ("sessions list --url nonsense", 2, "is not an address"),
        ("sessions list --url http://127.0.0.1:9", 3, "no server answers at http://127.0.0.1:9"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, code: int, message: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert run(command.split()) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("rookery: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_what_a_server_refuses(server: Answering, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"type": "x", "title": "Unknown session", "status": 404, "detail": "there is no\nsession \x1b[31m'x'"}
    server.handle_request = lambda request: httpx.Response(404, json=document)  # type: ignore[method-assign]
    assert run(["sessions", "show", "x", "--json"]) == 1
    assert capsys.readouterr().err == "rookery: Unknown session: there is no session \\x1b[31m'x'\n"
    server.handle_request = lambda request: httpx.Response(502, text="<html>")  # type: ignore[method-assign]
    assert run(["sessions", "list"]) == 3
    assert "is it a Rookery server?" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "colour"), [(200, False), (80, True), (30, False)])
def test_terminals(server: Answering, monkeypatch: pytest.MonkeyPatch, width: int, colour: bool) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    if not colour:
        monkeypatch.setenv("NO_COLOR", "1")
    assert run(["sessions", "list"]) == 0
    text = screen.getvalue()
    assert not re.search("\x1b\\[[0-9;]*3[0-9]m", text), "no colours"
    plain = re.sub("\x1b\\[[0-9;]*m", "", text)
    assert "CONNECTED" in plain, "no word is torn apart"
    if width == 30:
        assert "status: CONNECTED\n" in plain, "a field a line"
    else:
        assert max(map(len, plain.splitlines())) <= width


def test_what_strangers_write_does_not_reach_the_terminal(
    server: Answering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = server.handle_request

    def hostile(request: httpx.Request) -> httpx.Response:
        page = answer(request).json()
        page["events"][0]["body"]["text"] = "a\x1b]0;title\x07\x9b2J\u202eb\r\nc"
        return httpx.Response(200, json=page)

    monkeypatch.setattr(server, "handle_request", hostile)
    assert run(["events"]) == 0
    assert "a\\x1b]0;title\\x07\\x9b2J\\x202eb c\n" in capsys.readouterr().out


def test_completion_of_the_shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ROOKERY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "rookery sessions st")
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setattr(sys, "argv", ["rookery"])
    with pytest.raises(SystemExit) as ended:
        run([])
    assert ended.value.code == 0
    assert {"start", "stop"} <= set(capsys.readouterr().out.split())


async def test_adding_a_session_shows_how_that_went(served: Any) -> None:
    """Not how it was before anything had happened."""
    line = f"sessions add polly --platform parrot --credential token=1:abc --url {served.url}"
    done = await trio.run_process([sys.executable, "-m", "rookery_http", *line.split()], capture_stdout=True)
    shown = done.stdout.decode()
    assert "CONNECTED" in shown
    assert "not started yet" not in shown
