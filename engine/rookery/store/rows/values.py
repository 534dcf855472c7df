"""Single values of database rows: JSON text, and rows as sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import InvalidInput

Row = Sequence[Any]
_encode = msgspec.json.Encoder().encode

from_json = msgspec.json.Decoder().decode
"""The inverse of `to_json`."""


def to_json(value: Any) -> str:
    """JSON text. Raises InvalidInput."""
    try:
        return _encode(value).decode()
    except (TypeError, UnicodeEncodeError, OverflowError, RecursionError) as error:
        raise InvalidInput(f"cannot be written as JSON: {error}") from None
