"""Chats: received and sent messages in one order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress

import msgspec

from ..errors import InvalidInput, MediaError, NotFound
from ..model.chat import (
    NEWEST,
    Chat,
    ChatMessage,
    ChatMessages,
    ChatPlace,
    ChatRow,
    ChatSearch,
    ChatsPage,
    Erased,
    Position,
)
from ..model.event import Event
from ..model.message import OutboundMessage
from .catalogue import CatalogueFeatures
from .platform.chat_messages import HISTORY, UNREADABLE, apply, received, sent, text_of
from .platform.chats import ChatNames
from .validation import check_text

SEARCHED = 5000
"""Maximum number of messages that one search examines."""
CHATS_SEARCHED = 1000
"""Maximum number of chats that one search examines: they take about half as long as the rest of the call."""
LONGEST_RETENTION = 100 * 365 * 86_400.0
MOST = 500
"""Maximum number of chats or messages in one answer."""
LEFT_OUT = 20
"""Rows that are read beyond a page, because the page leaves out echoes and duplicates."""


class ChatFeatures(CatalogueFeatures, ChatNames):
    """A view of the event log and of the sends; the view stores only a position for each message."""

    async def chats(
        self, session: str, *, after: ChatPlace | None = None, limit: int = 100, q: str | None = None
    ) -> Sequence[Chat]:
        """The chats of `chats_page` and, where a search finds fewer than `limit` in one page, of the next ones. Fewer than
        `limit`, and than MOST, only at the end. Raises NotFound, InvalidInput."""
        limit = max(0, min(limit, MOST))
        page = await self.chats_page(session, after=after, limit=limit, q=q)
        found = [*page.chats]
        while len(found) < limit and page.next is not None:
            page = await self.chats_page(session, after=page.next, limit=limit - len(found), q=q)
            found += page.chats
        return found[:limit]

    async def chats_page(
        self, session: str, *, after: ChatPlace | None = None, limit: int = 100, q: str | None = None
    ) -> ChatsPage:
        """The chats of a session, newest first, at most MOST. `after` is `next` of the page before, or (`last_at`, `chat`)
        of the last chat seen; `q` is a part of the name or of the id.

        A search examines at most CHATS_SEARCHED chats in one call, so that its page may be short or empty while `next` is
        not None. Raises NotFound, InvalidInput.
        """
        limit = max(1, min(limit, MOST))
        if q:
            check_text(q, "q", least=1)
        await self._chat_view.catch_up(session)
        if q:
            page = await self._store.find_chats(session, q, after=after, limit=limit, among=CHATS_SEARCHED)
            rows, place = page.rows, page.next
        else:
            rows = await self._store.list_chats(session, after=after, limit=limit + 1)
            place = (rows[limit - 1].last_at, rows[limit - 1].chat) if len(rows) > limit else None
            rows = rows[:limit]
        return ChatsPage(await self._listed(session, rows), place)

    async def _listed(self, session: str, rows: Sequence[ChatRow]) -> Sequence[Chat]:
        """Chats with their last messages as they are now."""
        echoes = await self._echoes(session, [(row.chat, *row.event[1:]) for row in rows if row.event is not None])
        found = []
        for row in rows:
            last: ChatMessage | None = None
            if row.event is not None:
                last = received(*row.event)
            if last is not None and (row.chat, last.message_id) in echoes:
                if (
                    row.send is not None
                    and row.send.receipt is not None
                    and row.send.receipt.message_id == last.message_id
                ):
                    last = sent(0, row.send)
                else:  # the echo of an older send
                    last = next(iter((await self._collected(session, row.chat, NEWEST, 1)).messages), None)
            elif row.send is not None and (last is None or row.send.created_at >= last.position.at):
                last = sent(0, row.send)
            found.append(
                Chat(
                    chat=row.chat,
                    name=row.name,
                    kind=row.kind,
                    last=last,
                    unread=row.unread,
                    last_at=row.last_at,
                    retention=row.retention,
                )
            )
        return await self._with_changes(session, found)

    async def _with_changes(self, session: str, chats: Sequence[Chat]) -> Sequence[Chat]:
        """Applies edits, deletions and reactions to the last message of each chat."""
        wanted = [(one.chat, one.last.message_id or "", one.last.position.at) for one in chats if one.last is not None]
        if not wanted:
            return chats
        events, sends = await self._store.about_last(session, wanted)
        about: dict[str, list[tuple[str, str, Event]]] = {}
        for chat, id, role, event in events:
            about.setdefault(chat, []).append((id, role, event))
        by_us: dict[str, list[OutboundMessage]] = {}
        for chat, send in sends:
            by_us.setdefault(chat, []).append(send)
        return [
            msgspec.structs.replace(one, last=apply([one.last], about.get(one.chat, ()), by_us.get(one.chat, ()))[0])
            if one.last is not None and (one.chat in about or one.chat in by_us)
            else one
            for one in chats
        ]

    async def search_chat(
        self, session: str, chat: str, text: str, *, before: Position | None = None, limit: int = 100
    ) -> ChatSearch:
        """The messages of a chat whose text or file name contains `text`, ignoring case, newest first. Edited messages
        are searched in their current form; deleted messages are not found. `chat` may have any form of its address.

        Examines at most SEARCHED messages in one call; `next` is where another call continues. Raises NotFound,
        InvalidInput.
        """
        check_text(text, "q", least=1)
        wanted, found, position = text.casefold(), [], before
        for _ in range(SEARCHED // MOST):
            page = await self.chat_message_page(session, chat, before=position, limit=MOST)
            for one in page.messages:
                if wanted in _searched(one):
                    found.append(one)
                if len(found) == limit:
                    return ChatSearch(found, one.position)
            if page.next is None:
                return ChatSearch(found, None)
            position = page.next
        return ChatSearch(found, position)

    async def chat_messages(
        self, session: str, chat: str, *, before: Position | None = None, limit: int = 100
    ) -> Sequence[ChatMessage]:
        """The messages of `chat_message_page` without its `next`."""
        return (await self.chat_message_page(session, chat, before=before, limit=limit)).messages

    async def chat_message_page(
        self, session: str, chat: str, *, before: Position | None = None, limit: int = 100
    ) -> ChatMessages:
        """The messages of a chat, newest first: received and sent ones in one order, with edits, deletions and
        reactions applied. `before` is `next` of the page before, or the position of the last message seen. `chat` may
        have any form of its address. At most MOST messages, and fewer than `limit` only at the end of the chat. Raises
        NotFound."""
        chat = await self.chat_name(session, chat)
        await self._chat_view.catch_up(session)
        limit = max(0, min(limit, MOST))
        page = await self._collected(session, chat, before or NEWEST, limit)
        if not page.messages:
            return page
        ids = {one.message_id for one in page.messages if one.message_id is not None}
        about, by_us = await self._store.about_messages(session, chat, ids, since=page.messages[-1].position.at)
        return ChatMessages(apply(page.messages, about, by_us), page.next)

    async def _collected(self, session: str, chat: str, before: Position, limit: int) -> ChatMessages:
        """`limit` messages without what happened to them; fewer only at the end of the chat."""
        messages: list[ChatMessage] = []
        place: Position | None = before
        while place is not None and len(messages) < limit:  # a page can consist of rows that are left out
            page = await self._unchanged(session, chat, place, limit)
            messages, place = [*messages, *page.messages], page.next
        if len(messages) > limit:
            messages = messages[:limit]
            place = messages[-1].position
        return ChatMessages(messages, place)

    async def _unchanged(self, session: str, chat: str, before: Position, limit: int) -> ChatMessages:
        """About `limit` messages, before edits, deletions and reactions are applied.

        A full list of events or sends says nothing about older rows than its last. The page therefore ends
        at the newest of these last rows, so that the other list does not lead past rows that were never read.
        """
        limit += LEFT_OUT
        page = await self._store.chat_page(session, chat, before=before, limit=limit)
        sends = [sent(number, message) for number, message in page.sends]
        ends = [Position(at, 0, event.id) for at, _, event in page.events[limit - 1 :]]
        ends += [message.position for message in sends[limit - 1 :]]
        end = max(ends, default=None)
        events = [received(*each) for each in await self._once(session, chat, page.events)]
        messages = sorted([*events, *sends], key=lambda one: one.position, reverse=True)
        return ChatMessages([one for one in messages if end is None or one.position >= end], end)

    async def _once(
        self, session: str, chat: str, events: Sequence[tuple[float, str, Event]]
    ) -> Sequence[tuple[float, str, Event]]:
        """Without what is listed elsewhere in the chat: echoes of this session's own sends, and messages of a history
        that the platform reported by themselves as well."""
        echoes = await self._echoes(session, [(chat, role, event) for _, role, event in events])
        old = [(chat, id) for _, _, event in events if event.type == HISTORY and (id := _id(event)) is not None]
        doubles = await self._store.reported_among(session, old, besides=(HISTORY, UNREADABLE)) if old else ()
        return [
            (at, role, event)
            for at, role, event in events
            if (role != "out" or (chat, _id(event)) not in echoes)
            and (event.type != HISTORY or (chat, _id(event)) not in doubles)
        ]

    async def _echoes(
        self, session: str, events: Iterable[tuple[str, str, Event]]
    ) -> Collection[tuple[str, str | None]]:
        """Which events, given as (chat, role, event), are a platform's echo of this session's own sends, as (chat,
        message id)."""
        out = [(chat, id) for chat, role, event in events if role == "out" and (id := _id(event)) is not None]
        return await self._store.sent_among(session, out) if out else ()

    async def erase_chat(self, session: str, chat: str) -> Erased:
        """Delete everything that is stored of a chat: events, sends (those that still wait are never sent), files of
        received messages, and pending deliveries to webhooks. `chat` may have any form of its address; what was stored
        under another of its names goes as well. Later messages create the chat again. A call that fails or is cancelled has
        erased a part completely, and another one erases the rest. Raises NotFound (session), MediaError, StoreError."""
        await self._chat_view.catch_up(session)
        events, messages = 0, 0
        media: list[str] = []

        def gone(files: Sequence[str]) -> None:
            self._signals.erased.fire()  # copies in memory must go at once
            media.extend(files)

        try:
            for name in await self.chat_names(session, chat):
                erased = await self._store.erase_chat(session, name, gone=gone)
                events, messages = events + erased.events, messages + erased.messages
        except BaseException:
            with suppress(MediaError):  # the cleaner finds them, too
                await self._vault.remove(media)
            raise
        finally:
            self._signals.erased.fire()  # a piece that failed may have deleted something
            self._signals.webhooks.fire()  # endpoints read again which deliveries are left
        await self._vault.remove(media)
        return Erased(events, messages, tuple(media))

    async def keep_chat(self, session: str, chat: str, retention: float | None) -> None:
        """Keep the messages of a chat for `retention` seconds only; None: as long as everything else. `chat` may have
        any form of its address. Raises NotFound, InvalidInput."""
        if retention is not None and not 0 < retention <= LONGEST_RETENTION:
            raise InvalidInput("retention: seconds above 0 are needed, or null", field="retention")
        check_text(chat, "chat", least=1)
        await self._chat_view.catch_up(session)
        if not await self._store.keep_chat(session, await self.chat_name(session, chat), retention):
            raise NotFound("chat", chat)


def _searched(message: ChatMessage) -> str:
    """The text that a search examines, folded to one case."""
    media, content = message.media or {}, message.content or {}
    words = (message.text, text_of(content.get("caption")), text_of(media.get("filename")))
    return "\n".join(word for word in words if word is not None).casefold()


def _id(event: Event) -> str | None:
    return text_of(event.body.get("message_id"))
