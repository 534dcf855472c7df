"""Which events a subscriber receives: types by name, and patterns such as `message.*` or `*`."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import msgspec

QUIET_TYPES = frozenset({"message.status", "session.qr", "session.pairing_code", "history.message", "history.chat"})
"""Types that only subscribers that ask for them receive: by name, or by a pattern with their first word
(`session.*`)."""

EVERYTHING = "*"


@lru_cache(maxsize=1024)
def names_of(type: str) -> tuple[str, ...]:
    """Every name and pattern that matches this type.

    `message.edited` is matched by its own name, `message.edited.*`, `message.*` and `*`; a quiet type is not matched by
    `*`.
    """
    words = type.split(".")
    patterns = (".".join(words[:count]) + ".*" for count in range(len(words), 0, -1))
    return (type, *patterns, *(() if type in QUIET_TYPES else (EVERYTHING,)))


def asks_for(asked: Collection[str] | None, type: str) -> bool:
    """True when a subscriber to these names and patterns (None: to everything) receives events of this type."""
    if asked is None:
        return type not in QUIET_TYPES
    return any(name in asked for name in names_of(type))


def is_about_session(type: str) -> bool:
    """True for the types that describe a session itself, such as `session.status`."""
    return type.startswith("session.")


def is_pattern(name: str) -> bool:
    """True for `*` and for names that end in `.*`."""
    return name == EVERYTHING or name.endswith(".*")


class TypeFilter(msgspec.Struct, frozen=True):
    """A list of names and patterns, split for a database query: a type matches if it is one of `names`, begins with one
    of `prefixes`, or, where `everything` is set, is not a quiet type."""

    names: tuple[str, ...]
    prefixes: tuple[str, ...]
    everything: bool

    @classmethod
    def of(cls, asked: Collection[str]) -> TypeFilter:
        """Builds the filter from a subscriber's names and patterns."""
        stems = [name.removesuffix(".*") for name in asked if is_pattern(name) and name != EVERYTHING]
        names = [name for name in asked if not is_pattern(name)]
        return cls((*names, *stems), tuple(stem + "." for stem in stems), EVERYTHING in asked)
