"""The newest log lines of a server, kept in memory for remote readers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from traceback import format_exception
from typing import Any

import msgspec
import trio

from rookery.model.document import moment

KEPT = 2000
"""Lines that are kept; the oldest go first."""
FIELDS = 30
"""Maximum number of fields shown of a line."""
LONGEST = 4000
"""Maximum characters of a text or a traceback."""

READING = "/v1/logs"
"""The path under which the tail is read."""

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "component", "exception"}
"""Attributes of a record that are not fields."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `number` grows by one with each; `trace` is the traceback of an error."""

    number: int
    at: str
    level: str
    component: str
    text: str
    fields: dict[str, str]
    trace: str | None


class LogTail(logging.Handler):
    """A handler that keeps the newest lines, as they passed the levels and filters that are set, with secrets masked.

    Lines come from any thread; they are read from trio.
    """

    def __init__(self, mask: Callable[[str], str], *, kept: int = KEPT) -> None:
        """`mask` takes secrets out of a text."""
        super().__init__()
        self._mask = mask
        self._lines: deque[LogLine] = deque(maxlen=kept)
        self._number = 0
        self._guard = threading.Lock()
        self._news = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Keep the lines of this process while the block runs. Enter it in a trio run."""
        self._token = trio.lowlevel.current_trio_token()
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)
            self._token = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`. Requests that read the tail are left out: their readers would wake each other for ever."""
        if record.levelno < logging.INFO and str(record.__dict__.get("path")).endswith(READING):
            return
        try:
            text, component, trace = self._text(record), _component(record), _trace(record)
            fields = {
                name: self._mask(str(value))[:LONGEST]
                for name, value in list(record.__dict__.items())[: FIELDS + len(_OWN)]
                if name not in _OWN and not name.startswith("_")
            }
        except Exception:  # a value whose text cannot be made; the stream's handler reports it
            return
        with self._guard:
            self._number += 1
            self._lines.append(
                LogLine(
                    number=self._number,
                    at=moment(record.created),
                    level=record.levelname,
                    component=component,
                    text=text,
                    fields=fields,
                    trace=None if trace is None else self._mask(trace)[-LONGEST:],
                )
            )
        token = self._token
        if token is not None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(self._tell, idempotent=True)

    def read(
        self,
        *,
        after: int | None = None,
        levels: Collection[str] = LEVELS,
        text: str = "",
        session: str | None = None,
        limit: int = 200,
    ) -> list[LogLine]:
        """The newest `limit` lines that fit, oldest first. A number above the newest one is another run's and counts as 0."""
        with self._guard:
            lines, newest = list(self._lines), self._number
        first = after if after is not None and after <= newest else 0
        wanted = text.lower()
        found = [
            line
            for line in lines
            if line.number > first
            and line.level in levels
            and (session is None or line.fields.get("session") == session)
            and (not wanted or wanted in _searched(line))
        ]
        return found[-limit:]

    @property
    def newest(self) -> int:
        """The number of the newest line, 0 before the first."""
        return self._number

    async def wait_beyond(self, number: int) -> None:
        """Return once there is a line with a greater number than this."""
        while self._number <= number:
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _text(self, record: logging.LogRecord) -> str:
        return self._mask(record.getMessage())[:LONGEST]


def levels_from(level: str) -> tuple[str, ...]:
    """This level and the ones above it."""
    return LEVELS[LEVELS.index(level) :]


def _component(record: logging.LogRecord) -> str:
    given: Mapping[str, Any] = record.__dict__
    parts = record.name.split(".")
    return str(
        given.get("component") or (parts[1].upper() if parts[0] == "rookery" and len(parts) > 1 else record.name)
    )


def _trace(record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[1] is None:
        given = record.__dict__.get("exception")
        return None if given is None else str(given)
    return "".join(format_exception(record.exc_info[1]))


def _searched(line: LogLine) -> str:
    return " ".join((line.component, line.text, *line.fields.values(), line.trace or "")).lower()
