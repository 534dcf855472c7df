"""What a session remembers: its recent messages, in memory, and the names of its chats, with the session's cursor."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import msgspec

from rookery.model.directory import NumberCheck

REMEMBERED = 1000
"""Messages of one session whose author and text are known for replies and reactions to them."""

MOST_NAMES = 20_000
"""Chats of one session that keep a hidden address as their name; beyond it the oldest changes to the phone number."""

MOST_CALLS = 50
"""Calls of one session that may be rejected."""

TROUBLES, TROUBLED = 5, 60.0
"""So many ends of a client over unknown values within so many seconds, and the engine's own pauses apply."""


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a message: who wrote it, in the form its chat uses, its beginning, and a poll's options."""

    author: str
    text: str
    from_me: bool
    options: tuple[str, ...] = ()


class Memory:
    """The last messages of a session, both ways. Outlives its links."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Known] = OrderedDict()
        self.numbers: OrderedDict[str, NumberCheck] = OrderedDict()  # by digits
        self.ringing: OrderedDict[str, str] = OrderedDict()  # where each call came from, by its id
        self._troubles: deque[float] = deque(maxlen=TROUBLES)

    def keep(self, id: str, known: Known) -> None:
        """Remember one; the oldest goes."""
        self._messages[id] = known
        if len(self._messages) > REMEMBERED:
            self._messages.popitem(last=False)

    def get(self, id: str) -> Known | None:
        """None when it is too long ago, or from before a restart."""
        return self._messages.get(id)

    def rings(self, call: str, origin: str) -> None:
        """A call has come in; the last few may be rejected."""
        self.ringing[call] = origin
        if len(self.ringing) > MOST_CALLS:
            self.ringing.popitem(last=False)

    def trouble(self, now: float) -> bool:
        """The library ended a client over a value that it does not know. True when that happens all the time."""
        self._troubles.append(now)
        return len(self._troubles) == TROUBLES and now - self._troubles[0] < TROUBLED


class Facts(msgspec.Struct, omit_defaults=True):
    """What a session has to know after a restart; stored with its cursor. Unknown fields are from a newer version."""

    hidden: list[str] = []
    """Hidden addresses (lids) under which chats began, before their phone numbers were known."""
    limited_until: float = 0.0
    """WhatsApp lets the account write only to people it knows, until then."""
    presences: list[str] = []
    """Accounts whose presence was asked for."""

    @classmethod
    def read(cls, cursor: str | None) -> Facts:
        """From a cursor; empty when there is none, or none that this version can read."""
        try:
            return msgspec.json.decode(cursor or "{}", type=cls)
        except msgspec.DecodeError:
            return cls()

    def write(self) -> str:
        """As a cursor."""
        return msgspec.json.encode(self).decode()


class ChatNames:
    """One name for a chat, however much is learned about who is behind it.

    WhatsApp names a stranger by a hidden address, and tells the phone number later, or never. A chat keeps the name that it
    began with; the other one is in `body.chat`.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._hidden = set(facts.hidden)

    def name(self, body: dict[str, Any]) -> bool:
        """Give the chat of two in an event's body its name (`body.chat.id`, and `body.sender.id` when the other side wrote).
        True when a name is new and has to be stored."""
        chat = body.get("chat")
        if body.get("chat_type") != "private" or not isinstance(chat, dict) or not chat.get("lid"):
            return False
        lid = chat["lid"]
        if lid in self._hidden:
            chat["id"] = lid
            sender = body.get("sender")
            if isinstance(sender, dict) and sender.get("lid") == lid:
                sender["id"] = lid
            return False
        if chat.get("phone"):
            return False
        self._hidden.add(lid)
        self._facts.hidden.append(lid)
        if len(self._facts.hidden) > MOST_NAMES:
            self._hidden.discard(self._facts.hidden.pop(0))
        return True

    def of(self, lid: str | None, address: str) -> str:
        """The name of a chat that has both addresses."""
        return lid if lid is not None and lid in self._hidden else address
