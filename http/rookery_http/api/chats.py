"""Chats of a session: received and sent messages in one order."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.features.chats import LONGEST_RETENTION
from rookery.features.validation import check_text
from rookery.model.key import Scope

from ..call_table import Answer, call
from ..input.parameters import IN_WORDS, NO_NEWLINE, Limit
from ..output import chat_views
from .state import Api

TAG = "chats"
_SECONDS = r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,2})?"
Place = Annotated[
    str,
    msgspec.Meta(
        max_length=400,
        pattern=f"^{_SECONDS}~[^\\u0000\\n]*$" + NO_NEWLINE,
        description="`next` of the page before",
        examples=["1769860800.0~7"],
    ),
]
"""A cursor in a list of chats: the time of the last message, and the chat."""
Position = Annotated[
    str,
    msgspec.Meta(
        max_length=100,
        pattern=f"^{_SECONDS}~[01]~[0-9]{{1,16}}$" + NO_NEWLINE,
        description="`next` of the page before",
        examples=["1769860800.0~0~4711"],
    ),
]
"""A cursor in a chat: the time of a message, whether it was sent, and its number."""
IN_WORDS[_SECONDS] = "`next` of the page before is needed"


class ListChats(msgspec.Struct, frozen=True, kw_only=True):
    """Which chats."""

    after: Place | None = None
    limit: Limit = 100
    q: (
        Annotated[
            str, msgspec.Meta(min_length=1, max_length=100, description="a part of the name or id", examples=["ann"])
        ]
        | None
    ) = None


class ReadChat(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages."""

    before: Position | None = None
    limit: Limit = 100
    q: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1, max_length=100, description="a part of the text, in any case", examples=["parcel"]
            ),
        ]
        | None
    ) = None


class KeepChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The chat's own retention: seconds for which its messages are kept; null: as long as everything else."""

    retention: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_RETENTION)] | None


@call("GET", "/v1/sessions/{id}/chats", tag=TAG, answers={200: chat_views.ChatList}, scope=Scope.READ)
async def list_chats(api: Api, id: str, *, query: ListChats) -> Answer:
    """List the chats of a session, those with the newest message first.

    `unread` counts the messages received since the chat was last marked as read, on one of the account's own devices or by
    a send of the type `read`. With `q`, only chats with this text in their name or id are listed; one call
    examines at most 1,000 chats, so a page may be short or empty while `next` is not null.
    """
    after = chat_views.place_of(query.after) if query.after is not None else None
    page = await api.engine.chats_page(id, after=after, limit=query.limit, q=query.q)
    rows = [chat_views.Chat.of(chat) for chat in page.chats]
    cursor = f"{page.next[0]!r}~{page.next[1]}" if page.next is not None else None
    return Answer(chat_views.ChatList(rows, cursor))


@call(
    "GET",
    "/v1/sessions/{id}/chats/{chat}/messages",
    tag=TAG,
    answers={200: chat_views.ChatMessagePage},
    scope=Scope.READ,
)
async def read_chat(api: Api, id: str, *, chat: str, query: ReadChat) -> Answer:
    """Read the messages of a chat, newest first: received and sent ones in one order.

    Edits, deletions and reactions are applied. A chat without messages has an empty page. With `q`, only messages with
    this text in them or in the name of their file are listed; one call examines at most 5,000 messages, so a page may be
    short or empty while `next` is not null.
    """
    check_text(chat, "chat", least=1)
    before = chat_views.position_of(query.before) if query.before is not None else None
    if query.q is not None:
        search = await api.engine.search_chat(id, chat, query.q, before=before, limit=query.limit)
        found, place = search.messages, search.next
    else:
        page = await api.engine.chat_message_page(id, chat, before=before, limit=query.limit)
        found, place = page.messages, page.next
    rows = [chat_views.ChatMessage.of(one) for one in found]
    return Answer(chat_views.ChatMessagePage(rows, chat_views.cursor_of(place) if place is not None else None))


@call(
    "PATCH",
    "/v1/sessions/{id}/chats/{chat}",
    tag=TAG,
    answers={200: chat_views.KeptChat},
    problems={404: "there is no such session or chat"},
    scope=Scope.MANAGE,
)
async def keep_chat(api: Api, id: str, *, chat: str, body: KeepChat) -> Answer:
    """Set how long the messages of a chat are kept."""
    await api.engine.keep_chat(id, chat, body.retention)
    return Answer(chat_views.KeptChat(chat, body.retention))


@call(
    "DELETE",
    "/v1/sessions/{id}/chats/{chat}",
    tag=TAG,
    answers={200: chat_views.ErasedChat},
    problems={404: "there is no such session"},
    scope=Scope.MANAGE,
)
async def erase_chat(api: Api, id: str, *, chat: str) -> Answer:
    """Erase a chat: its events, sends and files, and its pending deliveries to webhooks.

    Nothing is deleted at the platform. Files that were uploaded to be sent stay until they expire.
    """
    check_text(chat, "chat", least=1)
    erased = await api.engine.erase_chat(id, chat)
    return Answer(chat_views.ErasedChat(chat, erased.events, erased.messages, len(erased.media)))
