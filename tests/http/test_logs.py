"""Log lines: structured, with their component, and without secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from rookery.log import get_logger
from rookery_http import logs

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
def written(restored_logging) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level="INFO", form="json", secrets=["sesame-key"], stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_engine_lines_show_their_fields(written):
    get_logger("RECONNECT").info("waiting", session="shop", delay=5.0)
    (line,) = lines(written)
    assert line["event"] == "waiting"
    assert (line["component"], line["session"], line["delay"], line["level"]) == ("RECONNECT", "shop", 5.0, "info")
    assert str(line["timestamp"]).endswith("Z")


def test_plain_loggers_get_a_component(written):
    logging.getLogger("rookery.api.server").warning("so %s", "it is")
    logging.getLogger("somebody.else").warning("hello")
    first, second = lines(written)
    assert (first["component"], first["event"]) == ("API", "so it is")
    assert second["component"] == "somebody.else"


def test_the_level_counts(written):
    get_logger("SESSION").debug("quiet")
    logging.getLogger("somebody.else").info("quiet")
    assert written.getvalue() == ""


def test_secrets_are_masked_everywhere(written):
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


async def test_httpx_does_not_log_urls(written):
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        await client.get(f"https://api.telegram.org/bot{TOKEN}/getMe")
    assert written.getvalue() == ""


def test_the_console_form(restored_logging):
    stream = io.StringIO()
    logs.configure(level="INFO", form="console", stream=stream)
    get_logger("HEALTH").warning("not answering", session="shop")
    logging.getLogger("rookery.session").error("oh", exc_info=ValueError("x"))
    text = stream.getvalue()
    assert "HEALTH" in text
    assert "session=shop" in text
    assert "ValueError: x" in text


def test_auto_is_json_without_a_terminal(restored_logging):
    stream = io.StringIO()
    logs.configure(form="auto", stream=stream)
    get_logger("SESSION").info("hello")
    assert lines(stream)[0]["event"] == "hello"
