"""Spreads sends: WhatsApp bans accounts that write too much to too many."""

from __future__ import annotations

from rookery.provider.pacer import Pacer

BURST = 5
"""Messages that may leave at once to one chat after a pause."""


def pacer(overall: float, per_chat: float) -> Pacer:
    """One account's pace, in messages a second; 0 is no limit."""
    return Pacer(overall=overall, per_chat=lambda chat: per_chat, burst=BURST)
