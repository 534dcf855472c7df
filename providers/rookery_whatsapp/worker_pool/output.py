"""Drains the output of a worker process, so that a full pipe never blocks the library."""

from __future__ import annotations

from collections import deque

import trio

from rookery.log import get_logger

CHUNK = 64 * 1024  # bytes
LINE_LIMIT = 2000  # characters

log = get_logger("SESSION")


async def drain(output: trio.lowlevel.FdStream, worker: str, last_words: deque[str]) -> None:
    """Write the lines to the log and to `last_words`, until the process closes its end."""
    rest = b""
    while True:
        try:
            data = await output.receive_some(CHUNK)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        if not data:
            return
        *lines, rest = (rest + bytes(data)).split(b"\n")
        rest = rest[-LINE_LIMIT:]
        for line in lines:
            if text := line[:LINE_LIMIT].decode("utf-8", "replace").strip():
                last_words.append(text)
                log.debug(text, worker=worker)
