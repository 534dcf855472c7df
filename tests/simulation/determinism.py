"""Makes everything that a run depends on a function of its seed: schedule, dice, ids, clocks."""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from trio._core import _run

from rookery.store.secrets import SecretBox

from .world import PROCESS, World


@contextmanager
def deterministic(world: World) -> Iterator[None]:
    """Inside, nothing comes from the real world. Not for two runs at once in one process."""
    dice = world.random("secrets")
    state = random.getstate()

    def wall() -> float:
        process = PROCESS.get()
        return world.wall + (process.machine.skew if process is not None else 0.0)

    def monotonic() -> float:
        return world.now

    with (
        patch.object(_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        patch.object(_run, "_r", world.random("schedule")),
        patch.object(time, "time", wall),
        patch.object(time, "time_ns", lambda: int(wall() * 1e9)),
        patch.object(secrets, "token_bytes", lambda n=32: dice.randbytes(n)),
        patch.object(secrets, "token_hex", lambda n=16: dice.randbytes(n).hex()),
        _perf_counters(monotonic),
    ):
        random.seed(f"{world.seed} global")
        try:
            yield
        finally:
            random.setstate(state)


@contextmanager
def _perf_counters(monotonic: object) -> Iterator[None]:
    """Modules that took `perf_counter` by name."""
    taken = [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith("rookery") and getattr(module, "perf_counter", None) is time.perf_counter
    ]
    for module in taken:
        module.perf_counter = monotonic  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in taken:
            module.perf_counter = time.perf_counter  # type: ignore[attr-defined]


class PlainBox(SecretBox):
    """Hides nothing: encryption is not what is tested here, and it costs a third of the time."""

    def __init__(self) -> None:
        pass

    @property
    def rotating(self) -> bool:
        return False

    def encrypt(self, plain: str) -> str:
        return plain

    def decrypt(self, token: str) -> str:
        return token

    def encrypt_bytes(self, plain: bytes) -> bytes:
        return plain

    def decrypt_bytes(self, token: bytes) -> bytes:
        return token

    def is_current(self, token: str) -> bool:
        return True
