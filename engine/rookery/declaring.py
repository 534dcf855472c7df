"""How a setting is declared: its meaning, unit, bounds and default stand in the annotation of its field."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

LONGEST = 3_155_760_000.0
"""Seconds in a hundred years: the upper bound of every duration."""


def setting(
    meaning: str, *, right: str, unit: str = "", shown_default: str | None = None, **bounds: Any
) -> msgspec.Meta:
    """The declaration of one setting.

    Args:
        meaning: what the setting does, as a sentence for people.
        right: completes "... is needed" when a value is refused.
        unit: `s`, `bytes`, `count`, `share`, `factor`, or empty.
        shown_default: the default as people should read it, where the value itself is not clear.
        bounds: of `msgspec.Meta`: `ge`, `gt`, `le`, `pattern` and so on.
    """
    return msgspec.Meta(
        description=meaning, extra={"unit": unit, "right": right, "shown_default": shown_default}, **bounds
    )


def seconds(meaning: str, *, least: float = 0.001) -> msgspec.Meta:
    """A duration."""
    return setting(meaning, right=f"a number of seconds, {least:g} or more", unit="s", ge=least, le=LONGEST)


def count(meaning: str, *, least: int = 1, most: int = 2**53, unit: str = "count") -> msgspec.Meta:
    """A whole number."""
    bounds = f"a whole number, {least} or more" if most == 2**53 else f"a whole number from {least} to {most}"
    return setting(meaning, right=bounds, unit=unit, ge=least, le=most)


def size(meaning: str, *, least: int = 1) -> msgspec.Meta:
    """A number of bytes."""
    return count(meaning, least=least, unit="bytes")


def share(meaning: str) -> msgspec.Meta:
    """A share of a whole: 0.8 is 80 %."""
    return setting(meaning, right="a number above 0, 1 at most", unit="share", gt=0, le=1)


def switch(meaning: str, *, shown_default: str | None = None) -> msgspec.Meta:
    """Yes or no."""
    return setting(meaning, right="true or false", shown_default=shown_default)


@cache  # reading the annotations takes 4 ms
def declarations(settings: type[msgspec.Struct]) -> Mapping[str, tuple[Any, msgspec.Meta]]:
    """The type and the declaration of every field that has one."""
    found = {}
    for name, hint in get_type_hints(settings, include_extras=True).items():
        for part in (hint, *get_args(hint)):
            for declared in getattr(part, "__metadata__", ()):
                if isinstance(declared, msgspec.Meta):
                    found[name] = hint, declared
    return found
