"""Chats as the API shows them."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model import chat as model

from .values import Moment, moment, moment_or_none


class ChatReaction(msgspec.Struct, frozen=True):
    """The present reaction of one person; `sender` null: of this account."""

    sender: str | None
    emoji: str
    time: Moment


class ChatVote(msgspec.Struct, frozen=True):
    """The present vote of one person in a poll; `sender` null: of this account, `options` null: they are not known."""

    sender: str | None
    options: list[str] | None
    time: Moment


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is now: edited, deleted, with reactions and votes. `direction` is `in` or `out`.

    `state` is that of a send. `content` is what was received or sent, null after a deletion. `event` or `send` names where it
    came from. `cursor` is the value of `before` for what is older.
    """

    cursor: str
    direction: str
    message_id: str | None
    time: Moment
    sender: str | None
    sender_name: str | None
    type: str
    text: str | None
    content: dict[str, Any] | None
    media: dict[str, Any] | None
    state: str | None
    error: str | None
    reply_to: str | None
    reactions: list[ChatReaction]
    votes: list[ChatVote]
    edited_at: Moment | None
    deleted_at: Moment | None
    event: int | None
    send: str | None

    @classmethod
    def of(cls, one: model.ChatMessage) -> ChatMessage:
        return cls(
            cursor=cursor_of(one.position),
            direction=one.direction,
            message_id=one.message_id,
            time=moment(one.time),
            sender=one.sender,
            sender_name=one.sender_name,
            type=one.type,
            text=one.text,
            content=None if one.content is None else dict(one.content),
            media=None if one.media is None else dict(one.media),
            state=one.state,
            error=one.error,
            reply_to=one.reply_to,
            reactions=[ChatReaction(each["sender"], each["emoji"], moment(each["time"])) for each in one.reactions],
            votes=[
                ChatVote(
                    each["sender"], None if each["options"] is None else list(each["options"]), moment(each["time"])
                )
                for each in one.votes
            ],
            edited_at=moment_or_none(one.edited_at),
            deleted_at=moment_or_none(one.deleted_at),
            event=one.event,
            send=one.send,
        )


class ChatMessagePage(msgspec.Struct, frozen=True):
    """Newest first; `next` is the value of `before` for the next page, null on the last."""

    messages: list[ChatMessage]
    next: str | None


class Chat(msgspec.Struct, frozen=True, kw_only=True):
    """A chat. `unread` counts received messages behind the last read mark, up to 1000. `retention`: seconds for which its
    messages are kept, null: as long as everything else."""

    chat: str
    name: str | None
    kind: str | None
    last: ChatMessage | None
    unread: int
    last_at: Moment
    retention: float | None

    @classmethod
    def of(cls, one: model.Chat) -> Chat:
        return cls(
            chat=one.chat,
            name=one.name,
            kind=one.kind,
            last=None if one.last is None else ChatMessage.of(one.last),
            unread=one.unread,
            last_at=moment(one.last_at),
            retention=one.retention,
        )


class ChatList(msgspec.Struct, frozen=True):
    """Newest first; `next` is the value of `after` for the next page, null on the last."""

    chats: list[Chat]
    next: str | None


class ErasedChat(msgspec.Struct, frozen=True):
    """How many events, sends and files were removed."""

    chat: str
    events: int
    messages: int
    files: int


class KeptChat(msgspec.Struct, frozen=True):
    """The chat's own retention in seconds; null: none."""

    chat: str
    retention: float | None


def cursor_of(position: model.Position) -> str:
    """A position as text."""
    return f"{position.at!r}~{position.sent}~{position.number}"


def position_of(cursor: str) -> model.Position:
    """The inverse of `cursor_of`."""
    at, sent, number = cursor.split("~")
    return model.Position(float(at), int(sent), int(number))


def place_of(cursor: str) -> tuple[float, str]:
    """The time and the chat of a cursor in a list of chats."""
    at, _, chat = cursor.partition("~")
    return float(at), chat
