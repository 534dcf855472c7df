"""Protects the library's unsynchronised global maps.

neonize keeps its clients in Go maps without a lock. Go ends the whole process when it detects that one thread writes a
map while another reads or writes it. Starting or stopping a client writes; every other call reads once, right at its
start, and may then run for a minute. So a change waits until no other change is under way and every call is past its start.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .calls.failures import CallFailed

PAST_ITS_BEGINNING = 0.05
"""Seconds after which a call has certainly looked up its client. The look-up itself takes less than a microsecond."""

LONGEST_CHANGE = 3.0
"""Seconds. A start or a stop changes the maps early; if it then hangs in the network, others proceed after this time."""


class Gated:
    """Wraps an object of the library: each method call passes the gate; other attributes are unchanged. `is_usable` is
    called inside the gate: a call for a client that the library no longer has would end the process and all its clients."""

    def __init__(self, target: Any, gate: MapGate, is_usable: Callable[[], bool], **more: Any) -> None:
        self._target, self._gate, self._is_usable = target, gate, is_usable
        self.__dict__ |= more

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            with self._gate.call():
                if not self._is_usable():
                    raise CallFailed("not_connected", "the session is not connected")
                return value(*arguments, **options)

        return call


class MapGate:
    """One per process: `call` around each call into the library, `begin_change` and `end_change` around starts and stops."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._change = 0  # the number of the change under way, 0 for none
        self._change_began = 0.0
        self._calls: dict[int, float] = {}
        self._next = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wait until no map is being changed, then make the call."""
        number = self.begin()
        try:
            yield
        finally:
            self.end(number)

    def begin(self) -> int:
        """Like `call`, for a call that the library makes on its own; pass the result to `end`."""
        with self._condition:
            self._wait_for_change()
            self._next += 1
            self._calls[self._next] = time.monotonic()
            return self._next

    def end(self, number: int) -> None:
        """Note that the call has ended. May be called repeatedly."""
        with self._condition:
            self._calls.pop(number, None)

    @contextmanager
    def change(self) -> Iterator[None]:
        """A change that lasts as long as the block."""
        number = self.begin_change()
        try:
            yield
        finally:
            self.end_change(number)

    def begin_change(self) -> int:
        """Wait until the maps may be changed; calls then wait until `end_change`, which takes the result."""
        with self._condition:
            self._wait_for_change()
            self._next += 1
            self._change = number = self._next
            self._change_began = time.monotonic()
            newest = max(self._calls.values(), default=-float("inf"))
        rest = newest + PAST_ITS_BEGINNING - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        return number

    def end_change(self, number: int) -> None:
        """Note that the maps have been changed. May be called repeatedly."""
        with self._condition:
            if self._change == number:
                self._change = 0
                self._condition.notify_all()

    def _wait_for_change(self) -> None:
        while self._change:
            rest = self._change_began + LONGEST_CHANGE - time.monotonic()
            if rest <= 0:
                self._change = 0
                self._condition.notify_all()
                return
            self._condition.wait(rest)
