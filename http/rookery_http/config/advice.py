"""Turns the names of the engine's settings in its messages into the variables that an operator sets."""

from __future__ import annotations

import re
from typing import TypeVar

from .table import ENGINE_VARIABLES

Text = TypeVar("Text", str, str | None)

_NAMED = re.compile("`(" + "|".join(sorted(ENGINE_VARIABLES, key=len, reverse=True)) + ")`")


def with_variables(text: Text) -> Text:
    """The text with `` `memory_limit` `` replaced by ROOKERY_MEMORY_LIMIT, and so on."""
    if text is None or "`" not in text:
        return text
    return _NAMED.sub(lambda found: ENGINE_VARIABLES[found[1]], text)
