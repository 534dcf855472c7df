"""Which engines share a store, and how many sessions each should run. Pure: no I/O, no clock.

Every instance computes its own share from the same census, so nobody has to be in charge. Shares are rounded up: together
they are never less than what is wanted, and a session more or less moves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

SLACK = 20
"""An instance hands sessions over when it has more than a twentieth beyond its share: levelling costs each of them a
moment without a connection, so it has to be worth it."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, as it last said of itself."""

    name: str
    draining: bool = False  # it gives its sessions away and takes none
    sessions: int = 0  # that it runs
    capacity: int | None = None  # sessions that it may run at most
    started_at: float = 0.0


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """All instances that live, ordered by name, and how many sessions there are for them.

    `wanted` sessions should run somewhere; nobody holds `free` of them, and `overdue` of these have been free for long.
    """

    instances: tuple[Instance, ...]
    wanted: int = 0
    free: int = 0
    overdue: int = 0

    def lives(self, name: str) -> bool:
        """True when an instance of this name has been heard of lately."""
        return any(instance.name == name for instance in self.instances)

    @property
    def takers(self) -> list[Instance]:
        """Those that take sessions."""
        return [instance for instance in self.instances if not instance.draining]


def fair_shares(takers: Iterable[Instance], wanted: int) -> dict[str, int]:
    """By name, how many of the `wanted` sessions each should run: the same number, unless it has no room for that."""
    shares: dict[str, int] = {}
    left = sorted(takers, key=lambda taker: math.inf if taker.capacity is None else taker.capacity)
    while left:
        share = math.ceil(wanted / len(left))
        smallest = left[0]
        if smallest.capacity is None or smallest.capacity >= share:
            return shares | {taker.name: share for taker in left}
        shares[smallest.name] = smallest.capacity
        wanted -= smallest.capacity
        del left[0]
    return shares


def surplus(census: Census, name: str, running: int) -> int:
    """How many of its `running` sessions this instance should hand over, as far as the others have room for them."""
    shares = fair_shares(census.takers, census.wanted)
    over = running - shares.get(name, 0)
    if over <= shares.get(name, 0) // SLACK:
        return 0
    others = [taker for taker in census.takers if taker.name != name]
    room = sum(max(0, shares[taker.name] - taker.sessions) for taker in others)
    return max(0, min(over, room - census.free))
