"""Starts the server from its settings: `rookery serve` without the library that reads arguments."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .left_out import QUART, SERVER, left_out

GARBAGE = 5_000
"""Objects that may be left over before garbage is looked for. Python's 700 come with every few hundred messages, and nearly
all of them are in use: looking at them takes 2 % of an echo's CPU time."""


def start(
    host: str | None = None, port: int | None = None, data_dir: Path | None = None, wait: float | None = None
) -> int:
    """Serve until a signal; returns the exit code. Arguments that are not None replace their settings."""
    with _quick_imports():
        from .config.load import ConfigurationError, load, unknown_variables, weaknesses

        try:
            config = load(
                ROOKERY_HOST=host,
                ROOKERY_PORT=port,
                ROOKERY_DATA_DIR=str(data_dir) if data_dir is not None else None,
                ROOKERY_WAIT=wait,
            )
        except ConfigurationError as error:
            for line in error.lines:
                sys.stderr.write(f"rookery: {line}\n")
            return 2
        from .operate.process import leave_pid_1, raise_descriptor_limit

        leave_pid_1()
        raise_descriptor_limit()
        from rookery.log import get_logger

        from .compose import run_server  # everything is imported before the wait for the data directory
        from .operate import logs
    logs.configure(level=config.logs.level, form=config.logs.format, secrets=config.secrets)
    logs.catch_strays()
    for line in (*unknown_variables(os.environ), *weaknesses(config.api.key, config.storage.secret_key)):
        get_logger("API").warning(line)
    return run_server(config)


@contextmanager
def _quick_imports() -> Iterator[None]:
    """Inside the block, imports run without garbage collection, because they leave no garbage, and without what
    `left_out` names."""
    gc.disable()
    try:
        with left_out(SERVER, QUART):
            yield
    finally:
        gc.enable()
        gc.freeze()
        gc.set_threshold(GARBAGE)
