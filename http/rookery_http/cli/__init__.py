"""The command line. Thin: it reads arguments, calls something, and prints."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

DEFAULT_WAIT = "60"
"""Seconds of a `--wait` without a number."""


def main() -> int:
    """The entry point of `rookery`; returns the exit code."""
    arguments = sys.argv[1:]
    if arguments == ["healthcheck"]:  # runs every few seconds in a container: no library for arguments
        from ..healthcheck import check

        return check()
    if arguments[:1] == ["serve"]:
        # Until the server has its own handlers, and nothing is open yet, a signal means: do not even begin.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    from .application import run

    return run(with_default_wait(arguments))


def _leave(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)


def with_default_wait(arguments: list[str]) -> list[str]:
    """`--wait` may stand alone, which the library for arguments does not know."""
    result = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else "-"
        bare = argument == "--wait" and not following.replace(".", "", 1).isdigit()
        result.append(f"--wait={DEFAULT_WAIT}" if bare else argument)
    return result
