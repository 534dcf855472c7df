"""Ids that the engine generates."""

from __future__ import annotations

import random
import time


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): sorts by time, so that the index grows at its end."""
    number = (time.time_ns() // 1_000_000) << 80 | random.getrandbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
