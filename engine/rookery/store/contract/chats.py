"""Chats in a store: a view of the log and of the sends, which the engine fills."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from ...model.chat import ChatEntry, ChatNews, ChatPage, ChatPlace, ChatRow, ChatRows, ChatSource, Erased, Position
from ...model.event import Event
from ...model.message import OutboundMessage


class ChatStore(Protocol):
    """Part of every store, under the promises in `store.contract`. A session that does not exist raises NotFound."""

    async def chat_position(self) -> int:
        """The view contains every event up to this id."""

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> Sequence[ChatSource]:
        """The next events after an id, of one session or of all."""

    async def write_chats(
        self, entries: Sequence[ChatEntry], news: Sequence[ChatNews], *, position: int | None
    ) -> None:
        """Add to the view. Entries that exist already, or whose events are gone, are skipped. `position`: the view now
        contains every event up to this id."""

    async def list_chats(self, session: str, *, after: ChatPlace | None, limit: int) -> Sequence[ChatRow]:
        """Newest first; `after` is the place of the last chat seen."""

    async def find_chats(self, session: str, text: str, *, after: ChatPlace | None, limit: int, among: int) -> ChatRows:
        """The chats with `text` in their name or id, at most `limit` (from 1 on) of the next `among` ones. Following
        `next` finds each chat that stays in its place once, whatever the others do."""

    async def chat_page(self, session: str, chat: str, *, before: Position, limit: int) -> ChatPage:
        """The newest `limit` events and the newest `limit` sends before a position."""

    async def about_messages(
        self, session: str, chat: str, message_ids: Collection[str], *, since: float
    ) -> tuple[Sequence[tuple[str, str, Event]], Sequence[OutboundMessage]]:
        """In order: events that refer to these messages, as (message id, role, event), and later sends that refer to
        messages (edits, deletions, reactions) and that the platform accepted."""

    async def about_last(
        self, session: str, last: Sequence[tuple[str, str, float]]
    ) -> tuple[Sequence[tuple[str, str, str, Event]], Sequence[tuple[str, OutboundMessage]]]:
        """The same for one message in each of many chats, given as (chat, message id, time): events as (chat, message
        id, role, event), and sends as (chat, send)."""

    async def sent_among(self, session: str, messages: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the messages, given as (chat, message id), that are sends of this session."""

    async def reported_among(
        self, session: str, messages: Collection[tuple[str, str]], *, besides: Collection[str]
    ) -> set[tuple[str, str]]:
        """Those of the messages, given as (chat, message id), that events of other types than `besides` contain."""

    async def erase_chat(
        self, session: str, chat: str, *, gone: Callable[[Sequence[str]], None] | None = None
    ) -> Erased:
        """Delete every event and send of the chat, the rows of the files that came with the events, its pending deliveries to
        webhooks, and the chat itself, in pieces: one that fails or is cancelled has deleted a part, and another call deletes
        the rest.

        `gone` is called after each piece of events with the ids of its files, whose bytes the caller removes. A caller who is
        cancelled waits for the piece that has begun. After an error that leaves open what was deleted it is not called."""

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        """Set the chat's own retention. False when the chat does not exist."""

    async def tidy_chats(self, *, now: float, before: float, limit: int = 1000) -> int:
        """Delete final events and sends that have outlived their chat's own retention, and empty chats older than
        `before`; at most `limit` of them together. Returns how many, or `limit` while more may be due: less than `limit`
        when nothing is left to delete."""
