"""Chats: received and sent messages in one order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from ..errors import InvalidInput, NotFound
from ..model.chat import NEWEST, Chat, ChatMessage, ChatSearch, Erased, Position
from ..model.content import Delete, Edit, Reaction, Vote, kind_of
from ..model.document import content_document, public_body
from ..model.event import Event
from ..model.message import MessageState, OutboundMessage
from .catalogue import CatalogueFeatures
from .platform.chats import ChatNames
from .validation import check_text

SEARCHED = 5000
"""Maximum number of messages that one search examines."""
LONGEST_RETENTION = 100 * 365 * 86_400.0
HISTORY = "history.message"
"""The type of messages from before a session was authorised."""
MOST = 500
"""Maximum number of chats or messages in one answer."""


class ChatFeatures(CatalogueFeatures, ChatNames):
    """A view of the event log and of the sends; the view stores only a position for each message."""

    async def chats(
        self, session: str, *, after: tuple[float, str] | None = None, limit: int = 100, q: str | None = None
    ) -> Sequence[Chat]:
        """The chats of a session, newest first. `after` is (`last_at`, `chat`) of the last chat seen, `q` a part of the
        name or of the id. Raises NotFound."""
        await self._chat_view.catch_up(session)
        rows = await self._store.list_chats(session, after=after, limit=min(limit, MOST), search=q)
        found = []
        for row in rows:
            last: ChatMessage | None = None
            if row.event is not None:
                last = received(*row.event)
            if row.send is not None and (last is None or row.send.created_at >= last.position.at):
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
        """The messages of a chat with `text` in what they say or in the name of their file, whatever the case, newest
        first, as they are after edits; deleted messages are not found. `chat` may have any form of its address.

        Examines at most SEARCHED messages in one call; `next` is where another call continues. Raises NotFound,
        InvalidInput.
        """
        check_text(text, "q", least=1)
        wanted, found, position = text.casefold(), [], before
        for _ in range(SEARCHED // MOST):
            page = await self.chat_messages(session, chat, before=position, limit=MOST)
            for one in page:
                if wanted in _searched(one):
                    found.append(one)
                if len(found) == limit:
                    return ChatSearch(found, one.position)
            if len(page) < MOST:
                return ChatSearch(found, None)
            position = page[-1].position
        return ChatSearch(found, position)

    async def chat_messages(
        self, session: str, chat: str, *, before: Position | None = None, limit: int = 100
    ) -> Sequence[ChatMessage]:
        """The messages of a chat, newest first: received and sent ones in one order, with edits, deletions and
        reactions applied. `before` is the position of the last message seen. `chat` may have any form of its address.
        Raises NotFound."""
        chat = await self.chat_name(session, chat)
        await self._chat_view.catch_up(session)
        limit = min(limit, MOST)
        page = await self._store.chat_page(session, chat, before=before or NEWEST, limit=limit)
        sends = [sent(number, message) for number, message in page.sends]
        ours = {message.message_id for message in sends if message.message_id is not None}
        # The platform's echo of our own sends is skipped: the sends themselves are already listed, with their state.
        events = [received(*each) for each in _once(page.events)]
        events = [one for one in events if one.direction == "in" or one.message_id not in ours]
        messages = sorted([*events, *sends], key=lambda one: one.position, reverse=True)[:limit]
        if not messages:
            return messages
        ids = {one.message_id for one in messages if one.message_id is not None}
        about, by_us = await self._store.about_messages(session, chat, ids, since=messages[-1].position.at)
        return apply(messages, about, by_us)

    async def erase_chat(self, session: str, chat: str) -> Erased:
        """Delete everything that is stored of a chat: events, sends (those that still wait are never sent), files of
        received messages, and pending deliveries to webhooks. `chat` may have any form of its address; what was stored
        under another of its names goes as well. Later messages create the chat again. Raises NotFound (session)."""
        await self._chat_view.catch_up(session)
        events, messages = 0, 0
        media: tuple[str, ...] = ()
        for name in await self.chat_names(session, chat):
            gone = await self._store.erase_chat(session, name)
            events, messages, media = events + gone.events, messages + gone.messages, (*media, *gone.media)
        erased = Erased(events, messages, media)
        for id in erased.media:
            with suppress(NotFound):
                await self._vault.delete(await self._store.get_media(id))
        self._signals.erased.fire()
        self._signals.webhooks.fire()  # endpoints check again what they have to deliver
        return erased

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
    """What a search looks through, in the case that it compares."""
    media, content = message.media or {}, message.content or {}
    words = (message.text, _text(content.get("caption")), _text(media.get("filename")))
    return "\n".join(word for word in words if word is not None).casefold()


def _once(events: Sequence[tuple[float, str, Event]]) -> list[tuple[float, str, Event]]:
    """Without messages of a history that the platform reported by themselves as well."""
    reported = {event.body.get("message_id") for _, _, event in events if event.type != HISTORY}
    return [each for each in events if each[2].type != HISTORY or each[2].body.get("message_id") not in reported]


def received(at: float, role: str, event: Event) -> ChatMessage:
    """A message that a platform reported: received, or sent from another device of the account."""
    body = public_body(event)
    out = role == "out"
    return ChatMessage(
        position=Position(at, 0, event.id),
        direction="out" if out else "in",
        message_id=_text(body.get("message_id")),
        time=event.time,
        sender=event.sender,
        sender_name=_text(body.get("sender_name")),
        type=_text(body.get("kind")) or event.type,
        text=_text(body.get("text")),
        content=body,
        media=body["media"] if isinstance(body.get("media"), dict) else None,
        state=MessageState.SENT.value if out else None,
        error=None,
        reply_to=_text(body.get("reply_to")),
        reactions=tuple(_reactions(body.get("reactions"), event.time)) if event.type == HISTORY else (),
        event=event.id,
    )


def sent(number: int, message: OutboundMessage) -> ChatMessage:
    """A message that we sent."""
    content, receipt = content_document(message), message.receipt
    media = {name: content[name] for name in ("href", "url", "filename", "mime_type", "size") if content.get(name)}
    return ChatMessage(
        position=Position(message.created_at, 1, number),
        direction="out",
        message_id=receipt.message_id if receipt is not None else None,
        time=receipt.time if receipt is not None else message.created_at,
        sender=None,
        sender_name=None,
        type=kind_of(message.content),
        text=_text(content.get("text")) or _text(content.get("caption")),
        content=content,
        media=media if "href" in media or "url" in media else None,
        state=message.state.value,
        error=message.error,
        reply_to=message.reply_to,
        send=message.id,
    )


class _Change(NamedTuple):
    """What happened to the message `message_id`; `who` is empty for this session's own sends."""

    at: float
    message_id: str
    role: str
    who: str
    body: Mapping[str, Any]


def apply(
    messages: Sequence[ChatMessage], about: Iterable[tuple[str, str, Event]], by_us: Iterable[OutboundMessage]
) -> list[ChatMessage]:
    """Applies to the messages what happened to them since, in order of time."""
    changes = [_Change(event.time, id, role, _who(event), public_body(event)) for id, role, event in about]
    changes += [change for message in by_us if (change := _by_us(message)) is not None]
    found: dict[str, list[_Change]] = {}
    for change in sorted(changes, key=lambda one: one.at):
        found.setdefault(change.message_id, []).append(change)
    return [_changed(one, found.get(one.message_id or "", ())) for one in messages]


def _who(event: Event) -> str:
    return "" if event.body.get("from_me") is True else event.sender or ""


def _by_us(message: OutboundMessage) -> _Change | None:
    content = message.content
    if isinstance(content, Edit):
        return _Change(message.updated_at, content.message_id, "edit", "", content_document(message))
    if isinstance(content, Delete):
        return _Change(message.updated_at, content.message_id, "deletion", "", {})
    if isinstance(content, Reaction):
        emoji = content.emoji if isinstance(content.emoji, str) else "".join(content.emoji)
        return _Change(message.updated_at, content.message_id, "reaction", "", {"emoji": emoji})
    if isinstance(content, Vote):
        return _Change(message.updated_at, content.message_id, "vote", "", {"options": list(content.choices)})
    return None


def _changed(message: ChatMessage, changes: Iterable[_Change]) -> ChatMessage:
    reactions: dict[str, Mapping[str, Any]] = {one["sender"] or "": one for one in message.reactions}
    votes: dict[str, Mapping[str, Any]] = {}
    for at, _, role, who, body in changes:
        if role == "reaction":
            reactions.pop(who, None)
            if emoji := _text(body.get("emoji")):
                reactions[who] = {"sender": who or None, "emoji": emoji, "time": at}
        elif role == "vote":
            votes.pop(who, None)
            options = body.get("options")
            if options is None or options:  # none: a vote whose answers are not known
                votes[who] = {"sender": who or None, "options": options, "time": at}
        elif role == "deletion":
            message = msgspec.structs.replace(message, deleted_at=at, content=None, text=None, media=None)
        elif message.deleted_at is None:
            message = _edited(message, at, body)
    return msgspec.structs.replace(message, reactions=tuple(reactions.values()), votes=tuple(votes.values()))


def _edited(message: ChatMessage, at: float, body: Mapping[str, Any]) -> ChatMessage:
    if body.get("undecryptable") is not None:  # the new content could not be decrypted
        content = {**(message.content or {}), "undecryptable": body["undecryptable"]}
        return msgspec.structs.replace(message, edited_at=at, content=content)
    content = {
        **(message.content or {}),
        **{name: body[name] for name in ("text", "caption", "media", "poll") if name in body},
    }
    content.pop("undecryptable", None)
    text = _text(body.get("text")) or _text(body.get("caption"))
    media = body["media"] if isinstance(body.get("media"), dict) else message.media
    return msgspec.structs.replace(message, edited_at=at, content=content, text=text, media=media)


def _reactions(value: Any, at: float) -> Iterable[Mapping[str, Any]]:
    """The reactions that a message of a history came with; their times are not known."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and (emoji := _text(one.get("emoji"))):
            yield {"sender": _text(one.get("sender")), "emoji": emoji, "time": at}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
