"""Logging of `rookery serve`: structured lines on stderr, for people or for machines. An embedding program never gets this.

The engine logs through the standard library with fields as record attributes; here they become columns. No line holds a
secret: libraries that log URLs are silenced, and what looks like a bot's token is masked in whatever is written.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor, WrappedLogger

from .repeats import Repeats

COMPONENTS = ("SESSION", "RECONNECT", "HEALTH", "MEMORY", "DELIVERY", "API")
TOKEN = re.compile(r"(?<!\d)\d{5,20}:[A-Za-z0-9_-]{20,}")
MASK = "***"
QUIET = ("httpx", "httpcore", "hypercorn", "quart", "trio")
"""Loggers that say too much below WARNING; httpx logs URLs, and a bot's URL holds its token."""

EventDict = MutableMapping[str, Any]


def configure(
    *, level: str = "INFO", form: str = "auto", secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Send every log record of this process to `stream` (stderr). `secrets` are masked wherever they turn up."""
    stream = stream or sys.stderr
    console = form == "console" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
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
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
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
    event["event"] = f"{event.pop('component', ''):<9} {event.get('event', '')}"
    return event


class _Masked:
    """A renderer whose text shows no secret."""

    def __init__(self, renderer: Processor, secrets: Collection[str]) -> None:
        self._renderer = renderer
        alternatives = [re.escape(secret) for secret in sorted(secrets, key=len, reverse=True) if len(secret) >= 6]
        self._secrets = re.compile("|".join(alternatives)) if alternatives else None

    def __call__(self, logger: WrappedLogger, name: str, event: EventDict) -> str:
        text = str(self._renderer(logger, name, event))
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        return TOKEN.sub(MASK, text)
