"""What a session remembers: recent messages, in memory only, and the names of chats, stored in the session's cursor."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import msgspec

from rookery.model.directory import NumberCheck

REMEMBERED = 1000
"""Maximum number of messages of one session whose author and text are kept, for replies and reactions to them."""

QUOTE = 1000  # characters of a text to keep for quotes

LONGEST_OPTIONS = 4096
"""Maximum number of characters of all options of a poll that are kept. The app allows 1,200; a sender may write more."""

MOST_NAMES = 20_000
"""Maximum number of chats of one session named by a hidden address; beyond it, the oldest takes its phone number as name."""

MOST_CALLS = 50
"""Maximum number of recent calls of one session that can still be rejected."""

TROUBLES, TROUBLED = 5, 60.0
"""If unknown values end a client this many times within this many seconds, the engine's own, longer pauses apply."""


class Known(msgspec.Struct, frozen=True):
    """The remembered parts of a message: its author in the form the chat uses, its beginning, a poll's options
    and its kind."""

    author: str
    text: str
    from_me: bool
    options: tuple[str, ...] = ()
    kind: str = ""  # of the content, as events and sends name it


class Memory:
    """The last messages of a session, received and sent. It outlives the session's links."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Known] = OrderedDict()
        self.numbers: OrderedDict[str, NumberCheck] = OrderedDict()  # by digits
        self.ringing: OrderedDict[str, str] = OrderedDict()  # each call's origin, by the call's id
        self._troubles: deque[float] = deque(maxlen=TROUBLES)
        self._refused = ("", 0)

    def keep(self, id: str, known: Known) -> None:
        """Remember a message; beyond the maximum, forget the oldest one."""
        if known.options and sum(map(len, known.options)) > LONGEST_OPTIONS:
            known = msgspec.structs.replace(known, options=())
        self._messages[id] = known
        if len(self._messages) > REMEMBERED:
            self._messages.popitem(last=False)

    def get(self, id: str) -> Known | None:
        """The message; None when it was forgotten, or came before a restart."""
        return self._messages.get(id)

    def wrote(self, address: str) -> bool:
        """True when one of the remembered messages is from this account."""
        return any(known.author == address for known in self._messages.values())

    def rings(self, call: str, origin: str) -> None:
        """Remember an incoming call: only remembered calls can be rejected."""
        self.ringing[call] = origin
        if len(self.ringing) > MOST_CALLS:
            self.ringing.popitem(last=False)

    def refused(self, key: str) -> int:
        """Note that an event could not be stored. Returns how many times in a row this happened to the event."""
        self._refused = (key, self._refused[1] + 1 if self._refused[0] == key else 1)
        return self._refused[1]

    def trouble(self, now: float) -> bool:
        """Note that the library ended a client because of an unknown value. True when this keeps happening."""
        self._troubles.append(now)
        return len(self._troubles) == TROUBLES and now - self._troubles[0] < TROUBLED


class Facts(msgspec.Struct, omit_defaults=True):
    """The state that a session needs after a restart, stored in its cursor. Fields of newer versions are ignored."""

    hidden: list[str] = []
    """Hidden addresses (lids) that name chats which began before their phone numbers were known."""
    limited_until: float = 0.0
    """The time until which WhatsApp lets the account write only to people it knows."""
    linked_at: float = 0.0
    """When the device was linked; 0 if an earlier version, which did not record it, linked the device."""
    new_day: int = 0
    new_chats: list[str] = []
    """The chats that the account began on the day `new_day` (days since 1970)."""
    presences: list[str] = []
    """Accounts to whose presence the session subscribed."""

    @classmethod
    def read(cls, cursor: str | None) -> Facts:
        """Read a cursor. Returns empty facts when there is no cursor or this version cannot read it."""
        try:
            return msgspec.json.decode(cursor or "{}", type=cls)
        except msgspec.DecodeError:
            return cls()

    def write(self) -> str:
        """The facts as a cursor."""
        return msgspec.json.encode(self).decode()


class ChatNames:
    """Keeps one name for each chat, whatever Rookery learns about the person later.

    WhatsApp names a stranger by a hidden address, and sends the phone number later or never. A chat keeps its first
    name; the other address is in `body.chat`.
    """

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._hidden = set(facts.hidden)

    def name(self, body: dict[str, Any]) -> bool:
        """Set the name of a private chat in an event's body (`body.chat.id`, and `body.sender.id` when the other side
        wrote). True when the name is new and must be stored."""
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
