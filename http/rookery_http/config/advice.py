"""Turns the names of the engine's settings in its messages into the variables that an operator sets."""

from __future__ import annotations

import re
from functools import cache
from typing import TypeVar

from .table import ENGINE_VARIABLES

Text = TypeVar("Text", str, str | None)


@cache  # compiled with the first message: few servers ever need it
def _named() -> re.Pattern[str]:
    return re.compile("`(" + "|".join(sorted(ENGINE_VARIABLES, key=len, reverse=True)) + ")`")


def with_variables(text: Text) -> Text:
    """The text with `` `memory_limit` `` replaced by ROOKERY_MEMORY_LIMIT, and so on."""
    if text is None or "`" not in text:
        return text
    return _named().sub(lambda found: ENGINE_VARIABLES[found[1]], text)
