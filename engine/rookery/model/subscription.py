"""Which events a subscriber asks for: types by name, and patterns such as `message.*` or `*`."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import msgspec

QUIET_TYPES = frozenset({"message.status", "session.qr", "session.pairing_code"})
"""Types that reach only those who ask for them: by name, or by a pattern with their first word (`session.*`)."""

EVERYTHING = "*"


@lru_cache(maxsize=1024)
def names_of(type: str) -> tuple[str, ...]:
    """Every name and pattern that asks for this type.

    `message.edited` is asked for by itself, `message.edited.*`, `message.*` and `*`; a quiet type not by `*`.
    """
    words = type.split(".")
    patterns = (".".join(words[:count]) + ".*" for count in range(len(words), 0, -1))
    return (type, *patterns, *(() if type in QUIET_TYPES else (EVERYTHING,)))


def asks_for(asked: Collection[str] | None, type: str) -> bool:
    """True when whoever asks for these names and patterns (None: for everything) gets events of this type."""
    if asked is None:
        return type not in QUIET_TYPES
    return any(name in asked for name in names_of(type))


def is_pattern(name: str) -> bool:
    """True for `*` and for names that end in `.*`."""
    return name == EVERYTHING or name.endswith(".*")


class TypeFilter(msgspec.Struct, frozen=True):
    """A list of names and patterns, taken apart for a database: a type fits one of `names`, begins with one of `prefixes`, or
    is none of the quiet ones where `everything` is asked for."""

    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    everything: bool

    @classmethod
    def of(cls, asked: Collection[str]) -> TypeFilter:
        """From what a subscriber asks for."""
        stems = [name.removesuffix(".*") for name in asked if is_pattern(name) and name != EVERYTHING]
        names = [name for name in asked if not is_pattern(name)]
        return cls((*names, *stems), tuple(stem + "." for stem in stems), EVERYTHING in asked)
