"""The base class of all errors, and the limits of their text."""

from __future__ import annotations

LONGEST_TEXT = 1000
"""Maximum number of characters kept of an error's text."""


def printable(text: str) -> str:
    """Limits foreign text to what every store accepts: no NUL, no lone surrogate, bounded length."""
    return text[:LONGEST_TEXT].replace("\0", "").encode(errors="replace").decode()


class RookeryError(Exception):
    """The base class of all errors."""
