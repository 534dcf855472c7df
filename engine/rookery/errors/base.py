"""The base class of all errors, and the limits of their text."""

from __future__ import annotations

LONGEST_TEXT = 1000
"""Maximum number of characters kept of an error's text."""


def printable(text: str) -> str:
    """Limits foreign text to what every store accepts: no NUL, no lone surrogate, bounded length."""
    return text[:LONGEST_TEXT].replace("\0", "").encode(errors="replace").decode()


class RookeryError(Exception):
    """The base class of all errors."""


def own_copy(error: RookeryError) -> RookeryError:
    """The same error for another task: each task that raises an exception writes its traceback and its context into
    it."""
    copy = type(error).__new__(type(error), *error.args)  # not `__init__`, which would build the text again
    copy.__dict__.update(error.__dict__)
    copy.__traceback__ = error.__traceback__
    copy.__context__ = error.__context__
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = error.__suppress_context__
    return copy
