"""The control calls by which people act on a bot: `POST /control/bots/T/ACT` with a JSON object.

| act | body | effect |
|---|---|---|
| `press` | `{"data", "chat_id", "message_id"?, "from_id"?}` | presses an inline button; answers the query's id |
| `pay` | `{"chat_id", "message_id"?, "from_id"?, "tip"?, "order_info"?}` | presses the Pay button of an invoice |
| `join` | `{"chat_id", "user_id", "request"?, "bio"?}` | joins a group, or asks to |
| `leave` | `{"chat_id", "user_id"}` | leaves a group |
| `appoint` | `{"chat_id", "user_id", "status", "by"?}` | makes someone `creator`, `administrator`, `member`, ... |
| `vote` | `{"options", "chat_id", "message_id"?, "from_id"?}` | votes in a poll of the bot |
| `react` | `{"emoji", "chat_id", "message_id"?, "from_id"?, "old"?}` | reacts to a message |
| `album` | `{"count", "chat_id", "from_id"?, "caption"?, "thread"?}` | sends an album of photos |
| `chat` | `{"chat_id", "title"?, "username"?, "is_forum"?, "type"?}` | sets fields of a chat |

Without `message_id`, the chat's last suitable message is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .people import People
from .wire.answers import ApiError
from .world.bot import SimulatedBot


class _Act(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    chat_id: int = 1

    def given(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


class _OnMessage(_Act, kw_only=True):
    message_id: int | None = None
    from_id: int | None = None


class Press(_OnMessage, kw_only=True):
    data: str


class Pay(_OnMessage, kw_only=True):
    tip: int = 0
    order_info: dict[str, Any] | None = None


class Vote(_OnMessage, kw_only=True):
    options: list[int]


class React(_OnMessage, kw_only=True):
    emoji: str
    old: str = ""


class Album(_Act, kw_only=True):
    count: int
    from_id: int | None = None
    caption: str = ""
    thread: int | None = None


class Join(_Act, kw_only=True):
    user_id: int
    request: bool = False
    bio: str = ""


class Leave(_Act, kw_only=True):
    user_id: int


class Appoint(_Act, kw_only=True):
    user_id: int
    status: str
    by: int = 1


class DescribeChat(_Act, kw_only=True):
    title: str | None = None
    username: str | None = None
    is_forum: bool | None = None
    type: str | None = None


ACTS: dict[str, tuple[type[_Act], Callable[..., Any]]] = {
    "press": (Press, lambda people, data, **act: people.press(data, **act)),
    "pay": (Pay, lambda people, **act: bool(people.pay(**act))),
    "join": (Join, lambda people, **act: people.join(**act)),
    "leave": (Leave, lambda people, **act: people.leave(**act)),
    "appoint": (Appoint, lambda people, **act: people.appoint(**act)),
    "vote": (Vote, lambda people, options, **act: people.vote(options, **act)),
    "react": (React, lambda people, emoji, **act: people.react(emoji, **act)),
    "album": (Album, lambda people, count, **act: [update.id for update in people.send_album(count, **act)]),
    "chat": (DescribeChat, lambda people, **act: people.describe_chat(**act)),
}


def perform(bot: SimulatedBot, act: str, body: bytes) -> object:
    """Let a person act; returns the result of the control call. Raises ApiError 400."""
    shape, run = ACTS[act]
    try:
        found = run(People(bot), **msgspec.json.decode(body or b"{}", type=shape).given())
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise ApiError(400, f"Bad Request: {error}") from None
    return True if found is None else found
