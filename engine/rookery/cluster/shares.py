"""How many sessions each of several engines should run. Pure: no I/O, no clock.

Every instance computes its own share from the same census, so no instance has to be in charge. Shares are rounded up:
together they cover at least the sessions that should run, and one session more or less does not move any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..model.instance import Census, Instance

SLACK = 20
"""An instance hands sessions over when it exceeds its share by more than a twentieth. Levelling costs each moved
session a moment without a connection, so it has to be worth it."""


def fair_shares(takers: Iterable[Instance], wanted: int) -> dict[str, int]:
    """By name, how many of the `wanted` sessions each instance should run: the same number, unless an instance has no
    room for it."""
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
