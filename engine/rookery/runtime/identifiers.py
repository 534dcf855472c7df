"""Ids that the engine generates."""

from __future__ import annotations

import random
import time


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): sorts by time, so that the index grows at its end."""
    at, chance = time.time_ns() // 1_000_000, random.getrandbits(74)
    variant = 0x8000 | (chance >> 48 & 0x3FFF)
    return f"{at >> 16:08x}-{at & 0xFFFF:04x}-7{chance >> 62:03x}-{variant:04x}-{chance & 0xFFFF_FFFF_FFFF:012x}"
