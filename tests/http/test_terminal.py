"""The command line in a terminal: following, pairing, mistakes, refusals, widths and colours."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import httpx
import pytest
import trio

from rookery_http.cli.application import run
from support.clients.answering import Answering


def test_following_goes_on_after_a_restart(
    server: Answering, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with 3 when the server does not come back; with a deadline, it ends then."""
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
        ("sessions delete shop", 1, "confirm with --yes"),
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
