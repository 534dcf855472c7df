"""Limits repeated log lines to one a minute, with the number of lines left out (H1)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

INTERVAL = 60.0  # seconds
MOST = 10_000
"""Maximum number of lines remembered; beyond it, first those whose minute is over are forgotten, then all."""

LISTINGS = ("rookery.api.tasks",)
"""Loggers that write one report over several lines."""

SUBJECTS = ("session", "webhook", "worker", "platform")
"""Fields that say what a line is about."""


def _single(record: logging.LogRecord) -> bool:
    """True when a line always passes, even if it equals an earlier one."""
    if hasattr(record, "status") or hasattr(record, "error_id"):
        return True
    return record.name in LISTINGS or (record.name.startswith("rookery.api") and record.msg == "request")


class Repeats(logging.Filter):
    """A filter for a handler. Lets a line pass unless the same event of the same session (or webhook, or worker) passed
    less than `INTERVAL` ago; the next one that passes has the field `repeated`.

    Changes of a session's state always pass, and so do debug lines, requests, errors whose id a client got, and the
    tree of tasks.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}  # until when it is left out, and how often it was

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.levelno < logging.INFO or _single(record):
            return True
        key = (record.name, record.levelno, record.msg, *(getattr(record, name, None) for name in SUBJECTS))
        now = self._clock()
        until, count = self._seen.get(key, (now, 0))
        if now < until:
            self._seen[key] = (until, count + 1)
            return False
        if count:
            record.repeated = count
        if len(self._seen) >= MOST:
            self._forget(now)
        self._seen[key] = (now + INTERVAL, 0)
        return True

    def _forget(self, now: float) -> None:
        self._seen = {key: seen for key, seen in self._seen.items() if now < seen[0]}
        if len(self._seen) >= MOST:
            self._seen.clear()
