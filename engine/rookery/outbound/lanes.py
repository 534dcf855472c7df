"""Which of a session's queues a message waits in: its chat's, or one of its own."""

from __future__ import annotations

from collections.abc import Callable

from ..model.content import Content, PlatformCall
from ..model.message import OutboundMessage

_OWN = "\0"
"""Begins the names of lanes that are no chats: no chat's name can hold it."""


class Lanes:
    """The lanes of one session.

    A call that answers a query of the platform, such as a pressed button, is worthless a few seconds later. It waits behind
    no send: it has a lane of its own, takes no turn of its chat, and a place of its own at the link.

    Args:
        answers_query: whether a method of the platform answers a query; None when no method does.
    """

    __slots__ = ("_answers_query",)

    def __init__(self, answers_query: Callable[[str], bool] | None) -> None:
        self._answers_query = answers_query

    @property
    def has_urgent(self) -> bool:
        """Whether the platform has methods that answer queries."""
        return self._answers_query is not None

    def is_answer(self, method: str) -> bool:
        """Whether a call of this method answers a query."""
        return self._answers_query is not None and self._answers_query(method)

    def is_urgent(self, content: Content) -> bool:
        """Whether the content answers a query."""
        return isinstance(content, PlatformCall) and self.is_answer(content.method)

    def of(self, message: OutboundMessage) -> str:
        """The lane's name: the chat's, but for urgent content."""
        if isinstance(message.content, PlatformCall) and self.is_urgent(message.content):
            return _OWN + message.id
        return message.to


def is_own(lane: str) -> bool:
    """Whether a lane is that of one urgent message."""
    return lane.startswith(_OWN)
