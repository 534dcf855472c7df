"""Halves of surrogate pairs, which are JSON and no text: decoders refuse all that they stand in."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def without_halves(raw: bytes) -> bytes:
    """The same JSON with a question mark for each half of a pair without its other half. Never raises."""
    return _ESCAPE.sub(lambda escape: escape[1] or b"?", raw)
