"""Makes everything that a run depends on a function of its seed: schedule, dice, ids, clocks."""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from trio._core import _io_epoll, _run

from rookery.runtime.descriptors import DescriptorRoom
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
        patch.object(_run, "_r", _Schedule(f"{world.seed} schedule")),
        patch.object(_run.CancelScope, "_might_change_registered_deadline", lambda scope: _Registration(scope)),
        patch.object(_io_epoll.EpollIOManager, "get_events", _nothing_comes(world)),
        patch.object(DescriptorRoom, "sessions", lambda self, starting: None),
        patch.object(time, "time", wall),
        patch.object(time, "monotonic", monotonic),
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


class _Schedule(random.Random):
    """Shuffles the tasks that can run; most often there is one."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        if len(x) > 1:
            super().shuffle(x)


class _Registration:
    """What Trio's own does, without a generator: it is entered three times for each cancel scope."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Any) -> None:
        self._scope = scope

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        scope = self._scope
        old = scope._registered_deadline
        new = float("inf") if scope._cancel_status is None or scope._cancel_called else scope._deadline
        if old != new:
            scope._registered_deadline = new
            deadlines = _run.GLOBAL_RUN_CONTEXT.runner.deadlines
            if old != float("inf"):
                deadlines.remove(old, scope)
            if new != float("inf"):
                deadlines.add(new, scope)


def _nothing_comes(world: World) -> Any:
    """The system is never asked for events: there are none until the life is over."""
    real = _io_epoll.EpollIOManager.get_events

    def get_events(manager: Any, timeout: float) -> Any:
        return real(manager, timeout) if world.over else []

    return get_events


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
