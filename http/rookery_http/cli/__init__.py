"""The command line. Thin: it reads arguments, calls something, and prints."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

EXTRA = frozenset({"typer", "rich", "quart", "quart_trio", "hypercorn", "prometheus_client", "segno"})
"""Packages that the server and the commands need, and an embedding program does not."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)

DEFAULT_WAIT = "60"
"""Seconds of a `--wait` without a number."""


def main() -> int:
    """The entry point of `rookery`; returns the exit code."""
    arguments = sys.argv[1:]
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # the parent process closed it: the next file opened would take its descriptor
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives
    if arguments == ["healthcheck"]:  # runs every few seconds in a container: no library for arguments
        from ..operate.healthcheck import check

        return check()
    try:
        if arguments[:1] == ["serve"]:
            # Until the server installs its own handlers nothing is open, and a signal means: do not start.
            for number in SIGNALS:
                signal.signal(number, _leave)
        code = _run(arguments)
    except KeyboardInterrupt:  # while everything is being imported
        return 130
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        sys.stderr.write(f"rookery: {error.name} is missing: install Rookery with its extra `http`\n")
        return 1
    if arguments[:1] == ["serve"]:
        _ignore_signals()
    return code


def _run(arguments: list[str]) -> int:
    for position, argument in enumerate(arguments, 1):
        if not argument.isascii() and argument != argument.encode("utf-8", "replace").decode():
            sys.stderr.write(f"rookery: argument {position} is not text in UTF-8\n")
            return 2
    if arguments == ["serve"]:  # how a service starts it: no library for arguments
        from ..exits import guarded
        from ..start import start

        return guarded(start)
    from .application import run

    return run(with_default_wait(arguments))


def _ignore_signals() -> None:
    """Everything is closed and the exit code is known: a signal during interpreter exit would only change that code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _leave(number: int, frame: object) -> NoReturn:
    # Not with an exception: raised during an import, it would turn into another one, with a traceback.
    os._exit(0)


def with_default_wait(arguments: list[str]) -> list[str]:
    """Add the default to a `--wait` without a value, which the argument library does not support."""
    result = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else "-"
        bare = argument == "--wait" and not following.replace(".", "", 1).isdigit()
        result.append(f"--wait={DEFAULT_WAIT}" if bare else argument)
    return result
