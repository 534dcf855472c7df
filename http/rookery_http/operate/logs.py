"""Logging of `rookery serve` only, not of embedding programs: structured lines on stderr, for people or machines.

The engine logs through the standard library with fields as record attributes; here they become columns. No line holds a
secret: libraries that log URLs are silenced, and what looks like a bot's token is masked in whatever is written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Collection, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor, WrappedLogger

from ..config.advice import with_variables
from .repeats import Repeats

COMPONENTS = ("SESSION", "RECONNECT", "HEALTH", "MEMORY", "DELIVERY", "API")
TOKEN = re.compile(r"(?<!\d)\d{5,20}:[A-Za-z0-9_-]{20,}")
MASK = "***"
QUIET = ("httpx", "httpcore", "hypercorn", "quart", "trio")
"""Loggers that write too much below WARNING; httpx logs URLs, and a bot's URL holds its token."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ONE_LINE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}
"""Characters that end a line for some readers and that JSON does not escape."""

EventDict = MutableMapping[str, Any]


def configure(
    *, level: str = "INFO", form: str = "auto", secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Send every log record of this process to `stream` (stderr). `secrets` are masked wherever they occur."""
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    handler = _Handler(stream)
    handler.setFormatter(_formatter(console, stream, secrets))
    handler.addFilter(Repeats())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("rookery").setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def catch_strays() -> None:
    """Log what Python itself would print on stderr: uncaught errors, also in threads and in finalisers. Only for a
    process that belongs to Rookery alone."""
    log = logging.getLogger("rookery.api")

    def uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            log.critical("uncaught exception", exc_info=error)

    def in_thread(stray: threading.ExceptHookArgs) -> None:
        name = stray.thread.name if stray.thread is not None else None
        if stray.exc_value is not None and stray.exc_type is not SystemExit:
            log.error("uncaught exception in a thread", extra={"thread_name": name}, exc_info=stray.exc_value)

    def unraisable(stray: Any) -> None:
        where = stray.err_msg or "Exception ignored in"
        log.error(
            "an error that could not be raised", extra={"where": f"{where} {stray.object!r}"}, exc_info=stray.exc_value
        )

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable


def _formatter(console: bool, stream: TextIO, secrets: Collection[str]) -> ProcessorFormatter:
    shared: list[Processor] = [
        structlog.stdlib.ExtraAdder(),
        structlog.stdlib.add_log_level,
        _component,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Processor
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # a richer one would show local variables
            pad_event_to=32,
        )
        last: list[Processor] = [_component_first]
    else:
        last = [structlog.processors.format_exc_info]
        renderer = structlog.processors.JSONRenderer(_json)
    return ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[ProcessorFormatter.remove_processors_meta, *last, _Masked(renderer, secrets)],
    )


def _component(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A record without a component gets one from its logger's name."""
    record: logging.LogRecord | None = event.get("_record")
    if "component" not in event and record is not None:
        parts = record.name.upper().split(".")
        known = len(parts) > 1 and parts[0] == "ROOKERY" and parts[1] in COMPONENTS
        event["component"] = parts[1] if known else record.name
    return event


def _component_first(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    # Strangers write parts of it: they must not be able to start new lines or to send control codes to the terminal.
    text = CONTROL.sub(lambda found: repr(found[0])[1:-1], str(event.get("event", "")))
    event["event"] = f"{event.pop('component', ''):<9} {text}"
    return event


def _json(event: EventDict, default: Callable[[Any], Any], **_: Any) -> str:
    try:
        return json.dumps(event, default=default, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # a key or a number that JSON cannot express
        plain = (str, int, bool, type(None))
        shown = {str(name): value if isinstance(value, plain) else repr(value) for name, value in event.items()}
        return json.dumps(shown, ensure_ascii=False)


class _Handler(logging.StreamHandler[TextIO]):
    """Logs a record that cannot be formatted as one line too, instead of a traceback among the lines."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        substitute = logging.makeLogRecord(
            {"name": record.name, "levelno": record.levelno, "levelname": record.levelname}
        )
        substitute.msg = (
            f"a line could not be written: {type(error).__name__}: {error}; it was {str(record.msg)[:500]!r}"
        )
        try:
            self.stream.write(self.format(substitute) + self.terminator)
            self.flush()
        except (OSError, ValueError):
            pass  # the reader has gone


class Mask:
    """Replaces secrets in a text, and what looks like a bot's token."""

    def __init__(self, secrets: Collection[str]) -> None:
        # JSON and `repr` escape a secret that has a quote or a backslash.
        forms = {form for secret in secrets if len(secret) >= 6 for form in (secret, json.dumps(secret)[1:-1])}
        alternatives = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
        self._secrets = re.compile("|".join(alternatives)) if alternatives else None

    def __call__(self, text: str) -> str:
        text = with_variables(text)
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        return TOKEN.sub(MASK, text)


class _Masked:
    """A renderer whose text shows no secret."""

    def __init__(self, renderer: Processor, secrets: Collection[str]) -> None:
        self._renderer = renderer
        self._mask = Mask(secrets)

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        return self._mask(str(self._renderer(logger, name, event))).translate(ONE_LINE)
