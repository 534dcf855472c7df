"""Accepts clients, even when the process has no file descriptor left.

It holds a few descriptors in reserve for that case: it gives one up for the waiting client, whose connection closes
after one answer. So `/healthz` and the calls that stop sessions work when sessions have taken all other descriptors.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM

import trio

RESERVE = 8
RETRY = 0.1
"""Seconds until the next attempt when the reserve is used up too."""
WARN_EVERY = 60.0  # seconds

SCARCE = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM})

log = logging.getLogger("rookery.api.server")


class Reserve:
    """Descriptors held back until no other is left. The owner closes it."""

    def __init__(self, size: int = RESERVE) -> None:
        self._size = size
        self._held: list[int] = []
        self._warned_at = -float("inf")
        self.refill()

    @property
    def in_use(self) -> bool:
        """True while part of the reserve is given up: then connections should end soon."""
        return len(self._held) < self._size

    def give_up_one(self) -> bool:
        """Make room for one descriptor. False when nothing is left to give."""
        if trio.current_time() - self._warned_at > WARN_EVERY:
            self._warned_at = trio.current_time()
            log.warning("no file descriptor is left: clients are served from the reserve; raise the limit (ulimit -n)")
        if not self._held:
            return False
        os.close(self._held.pop())
        return True

    def refill(self) -> None:
        """Take back the descriptors that were given up, as far as the limit allows now."""
        while len(self._held) < self._size:
            try:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:
                return

    def close(self) -> None:
        """Close all held descriptors."""
        while self._held:
            os.close(self._held.pop())


async def accept_clients(
    listener: trio.SocketListener,
    handle: Callable[[trio.SocketStream], Awaitable[None]],
    nursery: trio.Nursery,
    reserve: Reserve,
    on_scarcity: Callable[[], None],
) -> None:
    """Until cancelled: start `handle` in `nursery` for each client. `handle` closes its stream."""
    while True:
        try:
            stream = await listener.accept()
        except OSError as error:
            if error.errno not in SCARCE:
                raise
            on_scarcity()
            if not reserve.give_up_one():
                await trio.sleep(RETRY)
            continue
        nursery.start_soon(_serve, stream, handle, reserve)


async def _serve(
    stream: trio.SocketStream, handle: Callable[[trio.SocketStream], Awaitable[None]], reserve: Reserve
) -> None:
    try:
        await handle(stream)
    finally:
        await trio.aclose_forcefully(stream)
        if reserve.in_use:
            reserve.refill()
