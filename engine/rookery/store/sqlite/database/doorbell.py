"""Wakes trio from a thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import trio


class Doorbell:
    """A thread rings, and a task of trio answers. Half the cost of `TrioToken.run_sync_soon`, which serves every thread and
    signal handlers too. Made inside the trio run that uses it; the thread rings, and closes it however the thread ends.

    A system task answers, as for `run_sync_soon`, because no nursery lives long enough: the thread finishes its last
    transaction even if whoever closes it no longer waits, and tasks outside the store's block get their results from it. The
    task ends soon after `close`, at the latest with the trio run.

    Args:
        answer: called in trio's thread after one or more rings. Must not raise.
        closed: called in trio's thread after `close` and the answer to the last ring. Must not raise.

    Raises:
        OSError: there are no descriptors left.
    """

    def __init__(self, answer: Callable[[], object], closed: Callable[[], object]) -> None:
        self._answer = answer
        self._closed = closed
        self._reading, self._writing = os.pipe()
        try:
            os.set_blocking(self._reading, False)
            os.set_blocking(self._writing, False)
            trio.lowlevel.spawn_system_task(self._wait_for_rings)
        except BaseException:
            os.close(self._reading)
            os.close(self._writing)
            raise

    def ring(self) -> None:
        """Never blocks. Nothing happens when the trio run is over."""
        with contextlib.suppress(BrokenPipeError, BlockingIOError):  # a full pipe rings as well
            os.write(self._writing, b"\0")

    def close(self) -> None:
        """The last ring was before."""
        os.close(self._writing)

    async def _wait_for_rings(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._reading)
                try:
                    if not os.read(self._reading, 4096):
                        break
                except BlockingIOError:  # woken for nothing
                    continue
                self._answer()
        finally:
            os.close(self._reading)
        self._closed()
