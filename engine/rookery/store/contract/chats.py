"""Chats in a store: a view of the log and of the sends, which the engine fills."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ...model.chat import ChatEntry, ChatNews, ChatPage, ChatRow, ChatSource, Erased, Position
from ...model.event import Event
from ...model.message import OutboundMessage


class ChatStore(Protocol):
    """Part of every store, with its promises. A session that is not there raises NotFound."""

    async def chat_position(self) -> int:
        """Every event up to this id is in the view."""

    async def chat_sources(self, after: int, *, session: str | None, limit: int) -> Sequence[ChatSource]:
        """The next events behind an id, of one session or of all."""

    async def write_chats(
        self, entries: Sequence[ChatEntry], news: Sequence[ChatNews], *, position: int | None
    ) -> None:
        """Add to the view; what is there already, or came from events that are gone, is passed over. `position`: every event
        up to there is in it now."""

    async def list_chats(
        self, session: str, *, after: tuple[float, str] | None, limit: int, search: str | None
    ) -> Sequence[ChatRow]:
        """Newest first; `after` is (last_at, chat) of the last one seen, `search` a part of the name or id."""

    async def chat_page(self, session: str, chat: str, *, before: Position, limit: int) -> ChatPage:
        """The newest `limit` events and the newest `limit` sends before a position."""

    async def about_messages(
        self, session: str, chat: str, message_ids: Collection[str], *, since: float
    ) -> tuple[Sequence[tuple[str, str, Event]], Sequence[OutboundMessage]]:
        """In order: events that are about these messages, as (message id, role, event), and sends since then that are about
        messages (edits, deletions, reactions) and were taken by the platform."""

    async def erase_chat(self, session: str, chat: str) -> Erased:
        """Remove every event and send of the chat, what is on its way to webhooks, and the chat itself."""

    async def keep_chat(self, session: str, chat: str, seconds: float | None) -> bool:
        """Set the chat's own retention. False when there is no such chat."""

    async def tidy_chats(self, *, now: float, before: float) -> int:
        """Remove what has outlived its chat's own retention and is final, and chats that are empty and older than `before`.
        Returns the number of events and sends that went."""
