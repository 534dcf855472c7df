"""Ids that the engine generates."""

from __future__ import annotations

import random
import time

_FIXED = 7 << 76 | 2 << 62
"""The version and the variant."""
_LOW = (1 << 62) - 1
"""Mask of the 62 random bits after the variant; the other 12 come before it."""


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): sorts by time, so that the index grows at its end."""
    chance = random.getrandbits(74)
    number = time.time_ns() // 1_000_000 << 80 | _FIXED | chance >> 62 << 64 | chance & _LOW
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
