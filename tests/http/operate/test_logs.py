"""Log lines: structured, with their component, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rookery.log import get_logger
from rookery_http.operate import logs
from rookery_http.operate import repeats as repeats_module
from rookery_http.operate.repeats import Repeats
from support.checks.secret_watch import SecretWatch

TOKEN = "123456789:AAEhBOweik9ai2o1B2c3D4e5F6g7H8i9J0k"


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    for name in ("rookery", *logs.QUIET):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def written(restored_logging: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level="INFO", form="json", secrets=["sesame-key"], stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_engine_lines_show_their_fields(written: Any) -> None:
    get_logger("RECONNECT").info("waiting", session="shop", delay=5.0)
    (line,) = lines(written)
    assert line["event"] == "waiting"
    assert (line["component"], line["session"], line["delay"], line["level"]) == ("RECONNECT", "shop", 5.0, "info")
    assert str(line["timestamp"]).endswith("Z")


def test_a_field_may_have_any_name(written: Any) -> None:
    taken = {"name": "x", "message": "y", "module": "z", "args": 1, "process": 2, "thread": 3, "asctime": 4, "msg": 5}
    get_logger("SESSION").info("hello", session="shop", **taken)
    (line,) = lines(written)
    assert (line["event"], line["name_"], line["message_"]) == ("hello", "x", "y")


def test_plain_loggers_get_a_component(written: Any) -> None:
    logging.getLogger("rookery.api.server").warning("so %s", "it is")
    logging.getLogger("somebody.else").warning("hello")
    first, second = lines(written)
    assert (first["component"], first["event"]) == ("API", "so it is")
    assert second["component"] == "somebody.else"


def test_the_level_counts(written: Any) -> None:
    get_logger("SESSION").debug("quiet")
    logging.getLogger("somebody.else").info("quiet")
    assert written.getvalue() == ""


@pytest.mark.logs_secrets
def test_secrets_are_masked_everywhere(written: Any) -> None:
    log = get_logger("API")
    log.info(f"token {TOKEN}", url=f"https://api.telegram.org/bot{TOKEN}/getMe", nested={"key": "sesame-key"})
    try:
        raise RuntimeError(f"bad token {TOKEN} and sesame-key")
    except RuntimeError:
        log.exception("failed")
    text = written.getvalue()
    assert TOKEN not in text
    assert "sesame-key" not in text
    assert "RuntimeError" in text
    assert len(lines(written)) == 2, "a traceback is one line"


@pytest.mark.logs_secrets
def test_a_secret_that_json_writes_differently(restored_logging: Any) -> None:
    stream = io.StringIO()
    logs.configure(form="json", secrets=['quo"te\\word'], stream=stream)
    get_logger("API").info('it is quo"te\\word', field='quo"te\\word', inside=['quo"te\\word'])
    (line,) = lines(stream)
    assert (line["event"], line["field"], line["inside"]) == ("it is ***", "***", ["***"])


def test_every_line_is_one_line_of_strict_json(written: Any) -> None:
    log = get_logger("SESSION")
    log.info(
        "a\nb\u2028c\x85d\x1b[31m", name="\u2029", number=float("nan"), more=[float("inf")], key={(1,): 2}, raw=b"\xff"
    )
    ours = logging.getLogger().handlers[0]  # what follows is none of pytest's: its reports have to be UTF-8
    half = logging.LogRecord("rookery.session", logging.INFO, "file", 1, "half a pair \ud800", None, None)
    half.nothing, half.thing = None, object()
    ours.handle(half)
    bad = logging.LogRecord("rookery.session", logging.WARNING, "file", 1, "bad %d", ("arguments",), None)
    ours.handle(bad)
    logging.getLogger("somebody.else").error("with a stack", stack_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful\nthere", UserWarning, stacklevel=1)
    text = written.getvalue()
    assert text.count("\n") == len(text.splitlines()) == 5
    for line in text.splitlines():
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    found = lines(written)
    assert (found[0]["event"], found[0]["number"]) == ("a\nb\u2028c\x85d\x1b[31m", "nan")
    assert "bad %d" in str(found[2]["event"])
    assert found[2]["level"] == "warning"


def test_strangers_write_no_lines_of_their_own_on_the_console(restored_logging: Any) -> None:
    stream = io.StringIO()
    logs.configure(form="console", stream=stream)
    get_logger("RECONNECT").info("Telegram answered\nCRITICAL forged \x1b[2J\u2028x", error="a\nb\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_what_python_would_print_itself_becomes_a_line(tmp_path: Path) -> None:
    program = """
import sys, threading
from rookery_http.operate import logs
logs.configure(form="json")
logs.catch_strays()
class Odd:
    def __del__(self): raise ValueError("while it went")
Odd()
def fail(): raise KeyError("in a thread")
thread = threading.Thread(target=fail, name="worker")
thread.start(); thread.join()
raise RuntimeError("nobody\\ncaught it")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["level"] for line in found] == ["error", "error", "critical"]
    assert ["ValueError" in found[0]["exception"], "KeyError" in found[1]["exception"]] == [True, True]
    assert found[1]["thread_name"] == "worker"
    assert "RuntimeError" in found[2]["exception"]


async def test_httpx_does_not_log_urls(written: Any) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        await client.get(f"https://api.telegram.org/bot{TOKEN}/getMe")
    assert written.getvalue() == ""


def test_the_console_form(restored_logging: Any) -> None:
    stream = io.StringIO()
    logs.configure(level="INFO", form="console", stream=stream)
    get_logger("HEALTH").warning("not answering", session="shop")
    logging.getLogger("rookery.session").error("oh", exc_info=ValueError("x"))
    text = stream.getvalue()
    assert "HEALTH" in text
    assert "session=shop" in text
    assert "ValueError: x" in text


def test_auto_is_json_without_a_terminal(restored_logging: Any) -> None:
    stream = io.StringIO()
    logs.configure(form="auto", stream=stream)
    get_logger("SESSION").info("hello")
    assert lines(stream)[0]["event"] == "hello"


def test_a_line_that_repeats_is_written_once_a_minute_with_a_count() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)

    def passes(event: str, level: int = logging.WARNING, name: str = "rookery.session", **fields: object) -> object:
        record = logging.LogRecord(name, level, "file", 1, event, None, None)
        record.__dict__.update(fields)
        return getattr(record, "repeated", True) if repeats.filter(record) else False

    assert passes("waits", session="a") is True
    assert passes("waits", session="b") is True, "another session"
    assert passes("other", session="a") is True, "another event"
    assert [passes("waits", session="a", error=str(n)) for n in range(5)] == [False] * 5
    assert passes("connected", logging.INFO, session="a", status="CONNECTED") is True
    assert passes("connected", logging.INFO, session="a", status="CONNECTED") is True, "changes of state always pass"
    assert [passes("request", name="rookery.api") for _ in range(3)] == [True] * 3
    assert [passes("unexpected error", name="rookery.api", error_id=str(n)) for n in range(3)] == [True] * 3
    assert [passes("a task", name="rookery.api.tasks") for _ in range(3)] == [True] * 3
    assert [passes("calls cannot be read", name="rookery.api") for _ in range(3)] == [True, False, False]
    assert [passes("detail", logging.DEBUG) for _ in range(3)] == [True] * 3
    assert passes("a webhook", webhook="w") is True
    assert passes("a webhook", webhook="v") is True
    now = 59.9
    assert passes("waits", session="a") is False
    now = 60.0
    assert passes("waits", session="a") == 6
    assert passes("waits", session="b") is True


def test_what_repeats_is_not_remembered_for_ever() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    for n in range(3 * repeats_module.MOST):
        now += 0.1
        record = logging.LogRecord("rookery.session", logging.WARNING, "file", 1, "waits", None, None)
        record.session = str(n)
        assert repeats.filter(record)
    assert len(repeats._seen) <= repeats_module.MOST


def test_a_storm_of_lines_becomes_one(written: Any) -> None:
    log = get_logger("SESSION")
    for n in range(100):
        log.warning("events are waiting: the store does not answer", session="shop", error=f"error {n}")
    (line,) = lines(written)
    assert (line["session"], line["error"]) == ("shop", "error 0")


@pytest.mark.logs_secrets
def test_the_suite_would_notice_a_secret(secret_watch: SecretWatch) -> None:
    get_logger("SESSION").debug("hello", url=f"https://api.telegram.org/bot{TOKEN}/getMe")
    try:
        raise RuntimeError(f"bad token {TOKEN}")
    except RuntimeError:
        logging.getLogger("rookery.delivery").exception("failed")
    secret_watch.look(f"Traceback ... {TOKEN}".encode(), "a process")
    assert len(secret_watch.take()) >= 3
