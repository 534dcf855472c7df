"""The chats and users that a simulated bot meets: made up from their numbers, the same every time."""

from __future__ import annotations

import zlib
from typing import Any

from ..wire.answers import ApiError
from .limits import Window
from .members import Members
from .topics import Topics

FIRST_SUPERGROUP_ID = -1_000_000_000_000


class Chat:
    """One chat as one bot sees it. `barred` is the description of the 403 that sends get, empty when they pass."""

    __slots__ = (
        "barred",
        "id",
        "json",
        "last_message_id",
        "members",
        "migrated_to",
        "minute",
        "pinned",
        "requests",
        "second",
        "topics",
    )

    def __init__(self, chat_id: int, details: dict[str, Any] | None = None) -> None:
        self.id = chat_id
        self.json = chat_json(chat_id) | (details or {})
        self.last_message_id = 0
        self.barred = ""
        self.migrated_to: int | None = None
        self.members = Members()
        self.topics = Topics()
        self.pinned: list[int] = []
        self.requests: set[int] = set()
        """The people whose requests to join are waiting for an answer."""
        self.second: Window | None = None
        self.minute: Window | None = None

    @property
    def is_group(self) -> bool:
        """True when it can have more than two members."""
        return self.id < 0

    @property
    def is_forum(self) -> bool:
        """True if its messages are sorted into topics."""
        return self.json.get("is_forum") is True

    def next_message_id(self) -> int:
        """Number a new message; every chat counts for itself."""
        self.last_message_id += 1
        return self.last_message_id

    def bar(self, description: str) -> None:
        """Refuse sends with a 403; the empty description stands for the usual one of the chat's type."""
        usual = {
            "private": "Forbidden: bot was blocked by the user",
            "group": "Forbidden: bot was kicked from the group chat",
            "supergroup": "Forbidden: bot was kicked from the supergroup chat",
            "channel": "Forbidden: bot was kicked from the channel chat",
        }
        self.barred = description or usual[self.json["type"]]

    def check_access(self) -> None:
        """Raise the ApiError that a send to this chat gets, if any."""
        if self.migrated_to is not None:
            raise ApiError(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": self.migrated_to},
            )
        if self.barred:
            raise ApiError(403, self.barred)


def chat_json(chat_id: int) -> dict[str, Any]:
    """The Chat object for a number: users are positive, supergroups below -10^12, groups in between."""
    if chat_id > 0:
        return {"id": chat_id, "first_name": f"User {chat_id}", "type": "private"}
    if chat_id < FIRST_SUPERGROUP_ID:
        return {"id": chat_id, "title": f"Supergroup {chat_id}", "type": "supergroup"}
    return {"id": chat_id, "title": f"Group {chat_id}", "type": "group"}


def user_json(user_id: int) -> dict[str, Any]:
    """The User object of a person."""
    return {"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"}


def supergroup_id(name: str) -> int:
    """A number for a public chat that is known by its name only."""
    return FIRST_SUPERGROUP_ID - 1 - zlib.crc32(name.encode())
