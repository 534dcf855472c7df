"""Spreads sends over time: WhatsApp bans accounts that write too much to too many people."""

from __future__ import annotations

from rookery.provider.pacer import Pacer

BURST = 5
"""Messages that may go to one chat at once after a pause."""


def pacer(overall: float, per_chat: float) -> Pacer:
    """One account's pace, in messages a second; 0 means no limit."""
    return Pacer(overall=overall, per_chat=lambda chat: per_chat, burst=BURST)
