"""The messages of one session that are in memory: a queue for each chat."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import count

import trio

from ..model.message import MessageState, OutboundMessage, SendOutcome
from .lanes import is_own


class Item:
    """A message in the window.

    `begun`: its row says SENDING, but it was not sent. `doubtful`: its row may say SENDING; the store did not answer.
    `outcome`: the state to write to its row. `booked`: it has booked its turn. `retry_in`: seconds to wait once
    `outcome` is stored; None when the message is then finished.
    """

    __slots__ = ("begun", "booked", "doubtful", "failures", "message", "outcome", "retry_in")

    def __init__(self, message: OutboundMessage) -> None:
        self.message = message
        self.begun = self.booked = message.state is MessageState.SENDING
        self.doubtful = False
        self.outcome: SendOutcome | None = None
        self.retry_in: float | None = None
        self.failures = 0  # attempts that could not even begin


class Chat:
    """The queue of one chat. `busy`: a send task or another task is handling its first message, or the place for it."""

    __slots__ = ("busy", "items", "name")

    def __init__(self, name: str, *, busy: bool = False) -> None:
        self.name = name
        self.items: deque[Item] = deque()
        self.busy = busy


class WaitingChats:
    """Chats whose first message waits: for a place (`ready`), or until some time."""

    __slots__ = ("_later", "_numbers", "ready")

    def __init__(self) -> None:
        self.ready: list[Chat] = []  # at most the window; an empty deque would take 760 bytes of every session
        self._later: list[tuple[float, int, Chat]] = []  # a heap by trio time
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self.ready or self._later)

    @property
    def next_at(self) -> float:
        """The trio time at which the next chat becomes ready; infinite if none waits for a time."""
        return self._later[0][0] if self._later else float("inf")

    def add(self, chat: Chat) -> None:
        """It is ready; an urgent one comes first."""
        if is_own(chat.name):
            self.ready.insert(0, chat)
        else:
            self.ready.append(chat)

    def postpone(self, chat: Chat, delay: float) -> None:
        """It will be ready in `delay` seconds."""
        heappush(self._later, (trio.current_time() + delay, next(self._numbers), chat))

    def move_due(self) -> None:
        """Make those ready whose time has come."""
        while self._later and self._later[0][0] <= trio.current_time():
            self.add(heappop(self._later)[2])

    def clear(self) -> None:
        """Forget all."""
        self.ready.clear()
        self._later.clear()
