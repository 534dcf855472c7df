"""The messages of one session that are in memory: a queue for each chat."""

from __future__ import annotations

from collections import deque

from ..model.message import MessageState, OutboundMessage, SendOutcome


class Item:
    """A message in the window.

    `begun`: its row says SENDING, but it was not sent. `doubtful`: its row may say SENDING; the store did not answer.
    `outcome`: the state to write to its row. `booked`: it has booked its turn. `retry_in`: seconds to wait once
    `outcome` is stored; None when the message is then finished.
    """

    __slots__ = ("attempts", "begun", "booked", "doubtful", "failures", "message", "outcome", "retry_in")

    def __init__(self, message: OutboundMessage) -> None:
        self.message = message
        self.begun = self.booked = message.state is MessageState.SENDING
        self.doubtful = False
        self.outcome: SendOutcome | None = None
        self.retry_in: float | None = None
        self.attempts = message.attempts
        self.failures = 0  # attempts that could not even begin


class Chat:
    """The queue of one chat. `busy`: a send task or another task is handling its first message, or the place for it."""

    __slots__ = ("busy", "items", "name")

    def __init__(self, name: str, *, busy: bool = False) -> None:
        self.name = name
        self.items: deque[Item] = deque()
        self.busy = busy
