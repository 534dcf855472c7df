"""Values of rows that cannot be read: damaged, encrypted with another key, or written by a newer version.

Such a row affects only the object that it describes, never the engine: it is read with a substitute for the value, and
with a description of the problem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from ...errors import SecretKeyError

T = TypeVar("T")


class Troubles:
    """The values of one row that could not be read."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def read(self, column: str, decode: Callable[[], T], instead: object) -> T:
        """Returns what `decode` returns, or `instead`."""
        try:
            return decode()
        except SecretKeyError:
            why = "cannot be decrypted: they were encrypted with another `secret_key`, or damaged"
        except msgspec.DecodeError:
            why = "cannot be read: no JSON of the kind that belongs there"
        except (ValueError, TypeError, RecursionError):
            why = "cannot be read: damaged, or written by a newer version"
        self._sentences.append(f"the stored {column} {why}")
        return cast(T, instead)

    @property
    def words(self) -> str | None:
        """The description of all problems; None when everything could be read."""
        return "; ".join(self._sentences) or None
