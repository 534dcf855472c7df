"""`python -m rookery_simulator telegram`: a simulator as a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

# Each platform's command lives beside its simulator and is imported on demand.
COMMANDS = {
    "telegram": "rookery_simulator.bot_api.command",
    "whatsapp": "rookery_simulator.whatsapp.command",
}


def main(arguments: Sequence[str]) -> int:
    """Run one platform's simulator until a signal ends it; returns the exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m rookery_simulator {{{','.join(COMMANDS)}}} [--help] ...\n")
        return 2
    run = cast(Callable[[Sequence[str]], int], import_module(COMMANDS[arguments[0]]).main)
    return run(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
