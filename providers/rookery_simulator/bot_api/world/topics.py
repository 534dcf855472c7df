"""The topics of one forum."""

from __future__ import annotations

from typing import Any

import msgspec

from ..wire.answers import ApiError

GENERAL = 1
"""The thread of the topic that every forum has."""


class Topic(msgspec.Struct):
    """One topic; `thread` is the id of the message that created it."""

    thread: int
    name: str
    icon_color: int = 0x6FB9F0
    icon_custom_emoji_id: str = ""
    is_closed: bool = False
    is_hidden: bool = False

    def describe(self) -> dict[str, Any]:
        """`ForumTopic`."""
        shown: dict[str, Any] = {"message_thread_id": self.thread, "name": self.name, "icon_color": self.icon_color}
        if self.icon_custom_emoji_id:
            shown["icon_custom_emoji_id"] = self.icon_custom_emoji_id
        return shown


class Topics:
    """The topics of a chat, by thread; none if it is not a forum."""

    def __init__(self) -> None:
        self._topics: dict[int, Topic] = {}
        self.general = Topic(GENERAL, "General")

    def add(self, topic: Topic) -> None:
        self._topics[topic.thread] = topic

    def remove(self, thread: int) -> None:
        del self._topics[thread]

    def find(self, thread: int) -> Topic:
        """Raises ApiError 400."""
        topic = self.general if thread == GENERAL else self._topics.get(thread)
        if topic is None:
            raise ApiError(400, "Bad Request: message thread not found")
        return topic
