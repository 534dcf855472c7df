"""Accounts that WhatsApp lets write only to people they know (error 463), and checks of numbers before a message.

WhatsApp does not say when the limit ends. Replies, and messages to people who have written, still pass; so every
message is tried, and only a refused chat pauses for a while.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TypeVar

from rookery.errors import AccountLimited, Rejected, SendRateLimited
from rookery.provider.contract import Inbox

from ..addresses import PHONE
from ..directory.numbers import NumberBook
from ..settings import AccountSettings

T = TypeVar("T")

PAUSE = 1800.0
"""Seconds that a refused chat pauses, and that the session counts as limited after the last refusal."""

MOST_CHATS = 10_000
"""Maximum number of chats of one link whose refusal, or whose check, is remembered."""

TEXT = (
    "WhatsApp lets this account write only to people it knows for now (error 463), as it does with new accounts and those "
    "that wrote to many strangers; replies still go"
)


class Limits:
    """The limits of one link."""

    def __init__(self, inbox: Inbox, options: AccountSettings, numbers: NumberBook) -> None:
        self._inbox = inbox
        self._options = options
        self._numbers = numbers
        self._refused: OrderedDict[str, float] = OrderedDict()  # end of the pause, by chat
        self._checked: OrderedDict[str, None] = OrderedDict()

    async def check(self, to: str) -> None:
        """Call before a send. Raises Rejected, AccountLimited, SendRateLimited, and the errors of a query."""
        until = self._refused.get(to, 0.0)
        if until > time.time():
            raise self._error(until)
        if not self._options.check_recipients or not to.endswith(f"@{PHONE}") or to in self._checked:
            return
        (found,) = await self._numbers.check([to])
        if not found.exists:
            raise Rejected(f"to: +{to.partition('@')[0]} has no WhatsApp account")
        _note(self._checked, to, None)

    def sent(self, to: str) -> None:
        """Note an accepted message; if its chat was refused before, the limit is over."""
        if self._refused.pop(to, None) is not None and not self._refused:
            self._inbox.life.limited_until = None

    def refused(self, to: str) -> AccountLimited | SendRateLimited:
        """Note that WhatsApp refused a message; returns the error to raise."""
        until = time.time() + PAUSE
        _note(self._refused, to, until)
        self._inbox.life.limited_until = until
        return self._error(until)

    def _error(self, until: float) -> AccountLimited | SendRateLimited:
        if self._options.when_limited == "wait":
            return SendRateLimited(TEXT, retry_after=max(1.0, until - time.time()))
        return AccountLimited(TEXT)


def _note(kept: OrderedDict[str, T], chat: str, value: T) -> None:
    kept[chat] = value
    if len(kept) > MOST_CHATS:
        kept.popitem(last=False)
