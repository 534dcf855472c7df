"""One message of a chat, as the platform reported it or as the session sent it, with later changes applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ...model.chat import ChatMessage, Position
from ...model.content import Delete, Edit, Reaction, Vote, kind_of
from ...model.document import content_document, public_body
from ...model.event import Event
from ...model.message import MessageState, OutboundMessage

HISTORY = "history.message"
"""The type of messages from before a session was authorised."""
UNREADABLE = "undecryptable_message"
"""The type that stands for a message which came but could not be read."""


def received(at: float, role: str, event: Event) -> ChatMessage:
    """A message that a platform reported: received, or sent from another device of the account."""
    body = public_body(event)
    out = role == "out"
    return ChatMessage(
        position=Position(at, 0, event.id),
        direction="out" if out else "in",
        message_id=text_of(body.get("message_id")),
        time=event.time,
        sender=event.sender,
        sender_name=text_of(body.get("sender_name")),
        type=text_of(body.get("kind")) or event.type,
        text=text_of(body.get("text")),
        content=body,
        media=body["media"] if isinstance(body.get("media"), dict) else None,
        state=MessageState.SENT.value if out else None,
        error=None,
        reply_to=text_of(body.get("reply_to")),
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
        text=text_of(content.get("text")) or text_of(content.get("caption")),
        content=content,
        media=media if "href" in media or "url" in media else None,
        state=message.state.value,
        error=message.error,
        reply_to=message.reply_to,
        send=message.id,
    )


class _Change(NamedTuple):
    """A change to the message `message_id`; `who` is empty for this session's own sends."""

    at: float
    message_id: str
    role: str
    who: str
    body: Mapping[str, Any]


def apply(
    messages: Sequence[ChatMessage], about: Iterable[tuple[str, str, Event]], by_us: Iterable[OutboundMessage]
) -> list[ChatMessage]:
    """Applies later changes to the messages, in order of time."""
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
            if emoji := text_of(body.get("emoji")):
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
    text = text_of(body.get("text")) or text_of(body.get("caption"))
    media = body["media"] if isinstance(body.get("media"), dict) else message.media
    return msgspec.structs.replace(message, edited_at=at, content=content, text=text, media=media)


def _reactions(value: Any, at: float) -> Iterable[Mapping[str, Any]]:
    """The reactions that came with a history message; their times are not known."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and (emoji := text_of(one.get("emoji"))):
            yield {"sender": text_of(one.get("sender")), "emoji": emoji, "time": at}


def text_of(value: Any) -> str | None:
    """A text that is not empty; otherwise None."""
    return value if isinstance(value, str) and value else None
