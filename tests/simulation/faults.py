"""What goes wrong in one life, drawn from its seed: a plain list, so that a failing life can be shortened."""

from __future__ import annotations

import random
from collections.abc import Collection

import msgspec

COMMON = (
    "kill",
    "deploy",
    "pause",
    "clock_jump",
    "lag",
    "database_refuses",
    "database_hangs",
    "database_slow",
    "database_lossy",
    "split_refuse",
    "split_hang",
    "deaf",
    "network_refuses",
    "network_hangs",
    "network_lossy",
    "bot_busy",
    "bot_broken",
    "bot_garbage",
    "stranger",
    "replay",
    "revoke",
    "phone_worker_dies",
    "phone_cut",
    "phone_replaced",
    "phone_unlinked",
    "endpoint_fails",
    "endpoint_hangs",
    "endpoint_slow",
    "endpoint_lossy",
    "verb_stop",
    "verb_start",
    "verb_restart",
    "verb_retry",
    "verb_delete",
)
RARE = (
    "bot_blind",
    "bot_elsewhere",
    "phone_banned",
    "phone_locked",
    "phone_outdated",
    "phone_refused",
    "phone_half_dead",
    "phone_types_code",
    "phone_forgets_code",
    "phone_ignores_codes",
    "phone_has_passkey",
)
"""Of one account, and seldom: what ends its authorisation or leaves it half alive, and the ways to link it again."""

KINDS = COMMON + RARE
WHOLE = frozenset({"database_refuses", "database_hangs", "database_slow", "database_lossy"})
"""Faults of the database itself, which every machine sees."""

OF_MACHINES = frozenset(
    {"kill", "deploy", "pause", "clock_jump", "lag", "split_refuse", "split_hang", "deaf"}
    | {"network_refuses", "network_hangs", "network_lossy"}
)
OF_BOTS = frozenset(
    {"bot_busy", "bot_broken", "bot_garbage", "stranger", "replay", "revoke", "bot_blind", "bot_elsewhere"}
)
OF_ENDPOINTS = frozenset(kind for kind in KINDS if kind.startswith("endpoint"))


AWAITED = frozenset[str]()
"""Not drawn yet: what they find is being mended."""


class Fault(msgspec.Struct, frozen=True):
    """`target`: the number of a machine, session or endpoint. `seconds`: how long it lasts, where it lasts."""

    at: float
    kind: str
    target: int
    seconds: float
    amount: float = 0.0


def draw(
    dice: random.Random,
    *,
    until: float,
    lease: float,
    machines: int,
    sessions: int,
    endpoints: int,
    focus: Collection[str] = (),
) -> list[Fault]:
    """The faults of a life. Each life prefers some kinds, so that the same ones meet each other; some last longer than a
    lease of `lease` seconds. With a `focus`, there are few others than these kinds."""
    kinds = [kind for kind in COMMON if kind not in AWAITED]
    favourites = dice.sample(kinds, dice.randint(3, 9))
    faults = []  # type: ignore[var-annotated]
    at = 20.0
    pace = dice.choice((25.0, 60.0, 120.0))
    if focus:
        favourites, pace = sorted(focus), 40.0
    while True:
        at += dice.expovariate(1.0 / pace)
        if at >= until:
            return faults
        kind = dice.choice(favourites) if dice.random() < 0.8 else dice.choice(kinds)
        of = machines if kind in OF_MACHINES else endpoints if kind in OF_ENDPOINTS else sessions
        seconds = dice.choice((0.5, 3.0, 12.0, 30.0, 90.0, 1.5 * lease)) * (0.5 + dice.random())
        amount = dice.choice((-1.0, 1.0)) * dice.choice((1.0, 40.0, 4000.0, 900_000.0)) * dice.random()
        faults.append(Fault(round(at, 3), kind, dice.randrange(of), round(seconds, 3), round(amount, 3)))


def draw_rare(dice: random.Random, *, until: float, sessions: int) -> list[Fault]:
    """One to three of the rare ones, from a stream of their own: the other faults of a seed stay as they are."""
    return [
        Fault(
            round(dice.uniform(60.0, until - 60.0), 3),
            dice.choice(RARE),
            dice.randrange(sessions),
            round(dice.choice((30.0, 120.0, 600.0)) * (0.5 + dice.random()), 3),
        )
        for _ in range(dice.randint(1, 3))
    ]
