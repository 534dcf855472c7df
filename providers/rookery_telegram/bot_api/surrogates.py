"""Replaces unpaired surrogates, which JSON allows but text does not: decoders refuse the whole document that contains one."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\[^u])|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def without_halves(raw: bytes) -> bytes:
    """The same JSON with a question mark in place of each unpaired surrogate. Never raises."""
    return _ESCAPE.sub(lambda escape: escape[1] or b"?", raw)
