"""The simulator as a process: `python -m rookery_simulator telegram --port 0`.

It prints one line, `Bot API simulator on http://127.0.0.1:PORT`, once it accepts connections, and ends with exit code 0
on SIGTERM or SIGINT. Tests in other processes steer it through the control API.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields

import trio

from .settings import Settings
from .simulator import BotApiSimulator


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal; returns the exit code, 1 when the address is not available."""
    chosen = _parser().parse_args(arguments)
    settings = Settings(**{field.name: getattr(chosen, field.name) for field in fields(Settings)})
    _allow_many_connections()
    exit_code = 0
    try:
        trio.run(_serve, chosen.host, chosen.port, settings)
    except* OSError as group:
        sys.stderr.write(f"cannot listen on {chosen.host}:{chosen.port}: {group.exceptions[0]}\n")
        exit_code = 1
    return exit_code


async def _serve(host: str, port: int, settings: Settings) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(BotApiSimulator(settings).serve, host, port)
            sys.stdout.write(f"Bot API simulator on {url}\n")
            sys.stdout.flush()
            async for _ in signals:
                nursery.cancel_scope.cancel()
                break


def _allow_many_connections() -> None:
    # The usual soft limit of 1,024 open files is less than a thousand bots with a poll and a send each.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rookery_simulator telegram", description="A Telegram Bot API server for tests, in memory."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on, 0 for any free one")
    for field in fields(Settings):
        option = "--" + field.name.replace("_", "-")
        if isinstance(field.default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            kind = int if isinstance(field.default, int) else float
            parser.add_argument(option, type=kind, default=field.default, help="default: %(default)s")
    # Clients of an earlier process still know its ids, and would take equal ids for repetitions.
    parser.set_defaults(seed=secrets.randbits(31))
    return parser
