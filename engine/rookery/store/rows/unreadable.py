"""Values of rows that cannot be read: damaged, encrypted with another key, or written by a newer version.

One such row is a matter of what it describes, never of the engine: it is read with something else in the place of the
value, and with words about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from ...errors import SecretKeyError

T = TypeVar("T")


class Troubles:
    """What could not be read of one row."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def read(self, column: str, decode: Callable[[], T], instead: object) -> T:
        """What `decode` returns, or `instead`."""
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
        """All of it, None when everything could be read."""
        return "; ".join(self._sentences) or None
