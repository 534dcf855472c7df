"""Accounts that WhatsApp lets write only to people they know (error 463), and checks of numbers before a message.

WhatsApp does not say when the limit ends. Replies, and messages to people who have written, still pass; so every
message is tried, and only a refused chat pauses for a while.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rookery.errors import AccountLimited, Rejected, SendRateLimited
from rookery.provider.contract import Inbox

from ..addresses import LID, PHONE
from ..directory.numbers import NumberBook
from ..memory import Facts
from ..settings import AccountSettings

T = TypeVar("T")

PAUSE = 1800.0
"""Seconds for which a refused chat pauses, and for which the session counts as limited after the last refusal."""

MOST_CHATS = 10_000
"""Maximum number of chats of one link whose refusal or check is remembered."""

TEXT = (
    "for now, WhatsApp lets this account write only to people it knows (error 463), as it does with new accounts and "
    "those that wrote to many strangers; replies still get through"
)


DAY = 86_400.0


class Limits:
    """The limits of one link. `facts` outlive it; `save` stores them. `wrote`: this account is the author of
    a message that the log may not show yet."""

    def __init__(
        self,
        inbox: Inbox,
        options: AccountSettings,
        numbers: NumberBook,
        facts: Facts,
        save: Callable[[], Awaitable[None]],
        wrote: Callable[[str], bool],
    ) -> None:
        self._inbox = inbox
        self._options = options
        self._numbers = numbers
        self._facts = facts
        self._save = save
        self._wrote = wrote
        self._refused: OrderedDict[str, float] = OrderedDict()  # end of the pause, by chat
        self._checked: OrderedDict[str, None] = OrderedDict()
        if facts.limited_until > inbox.now():
            inbox.life.limited_until = facts.limited_until

    async def check(self, to: str, chat: str) -> None:
        """Call before a send; `chat` is its name in the log. Raises Rejected, AccountLimited, SendRateLimited, StoreError,
        and the errors of a query."""
        until = self._refused.get(to, 0.0)
        if until > self._inbox.now():
            raise self._error(until)
        await self._warm_up(to, chat)
        if not self._options.check_recipients or not to.endswith(f"@{PHONE}") or to in self._checked:
            return
        (found,) = await self._numbers.check([to])
        if not found.exists:
            raise Rejected(f"to: +{to.partition('@')[0]} has no WhatsApp account")
        _note(self._checked, to, None)

    async def _warm_up(self, to: str, chat: str) -> None:
        """Limit the new chats of a new account: WhatsApp soon limits or bans one that begins many."""
        most, now, facts = self._options.new_chats_per_day, self._inbox.now(), self._facts
        if (
            not most
            or not to.endswith((f"@{PHONE}", f"@{LID}"))
            or now - facts.linked_at > self._options.warm_up_days * DAY
        ):
            return
        today = int(now // DAY)
        if facts.new_day != today:
            facts.new_day, facts.new_chats = today, []
        if to in facts.new_chats or self._wrote(to) or await self._inbox.has_messages(chat):
            return
        if len(facts.new_chats) >= most:
            text = f"the account is new and has begun {most} chats today (`new_chats_per_day`); known chats are not affected"
            if self._options.when_limited == "wait":
                raise SendRateLimited(text, retry_after=(today + 1) * DAY - now)
            raise AccountLimited(text)
        facts.new_chats.append(to)
        await self._save()

    async def sent(self, to: str) -> None:
        """Note an accepted message; if its chat was refused before, the limit is over."""
        if self._refused.pop(to, None) is not None and not self._refused:
            self._inbox.life.limited_until = None
            self._facts.limited_until = 0.0
            await self._save()

    async def refused(self, to: str) -> AccountLimited | SendRateLimited:
        """Note, also for later links, that WhatsApp refused a message; returns the error to raise."""
        until = self._inbox.now() + PAUSE
        _note(self._refused, to, until)
        self._inbox.life.limited_until = self._facts.limited_until = until
        await self._save()
        return self._error(until)

    def _error(self, until: float) -> AccountLimited | SendRateLimited:
        if self._options.when_limited == "wait":
            return SendRateLimited(TEXT, retry_after=max(1.0, until - self._inbox.now()))
        return AccountLimited(TEXT)


def _note(kept: OrderedDict[str, T], chat: str, value: T) -> None:
    kept[chat] = value
    if len(kept) > MOST_CHATS:
        kept.popitem(last=False)
