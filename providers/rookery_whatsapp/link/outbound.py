"""Converts outbound messages and their media to the worker's calls."""

from __future__ import annotations

import mimetypes
from typing import Any

import msgspec

from rookery.errors import Rejected
from rookery.model import content as c
from rookery.model.message import OutboundMessage, Receipt
from rookery.provider.contract import LocalMedia

from ..addresses import address
from ..memory import QUOTE, Memory
from ..options import SHAPES, passed
from .fetching import fetch

OLDEST = 1_230_768_000.0
"""Seconds since 1970; no message was sent earlier."""

MIME_TYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mpeg",
    "voice": "audio/ogg; codecs=opus",
    "sticker": "image/webp",
    "document": "application/octet-stream",
}
UNKNOWN_HERE = (c.PaidMedia, c.Dice, c.Invoice, c.PlatformCall)
IN_ALBUMS = {"image": "image", "photo": "image", "video": "video"}
"""Types of an album's items, and the kinds of the same content in a message of its own."""
CAPTIONED = {
    "image": "image",
    "photo": "image",
    "video": "video",
    "animation": "video",
    "gif": "video",
    "document": "document",
}
"""Kinds of messages whose caption can be edited, and WhatsApp's own terms for them."""
LARGEST_CALL = 192 * 1024 * 1024
"""Maximum bytes of files in one call to a worker."""
TYPING = ("typing", "recording", "paused")


def to_call(message: OutboundMessage, memory: Memory, own: str) -> tuple[str, dict[str, Any]]:
    """The worker's method and its arguments, without media. Raises Rejected."""
    content, options = message.content, message.options
    if unknown := options.keys() - SHAPES.keys():
        raise Rejected(f"options: WhatsApp messages have no option {min(unknown)}")
    to = address(message.to)
    if isinstance(content, c.Typing):
        if content.action not in TYPING:
            raise Rejected(f"action: WhatsApp knows {', '.join(TYPING)}")
        return "typing", {"to": to, "action": content.action}
    if isinstance(content, c.Read):
        target = _target(content.message_id, to, options, memory, mine=False)
        return "read", {"to": to, "message_ids": [content.message_id], "sender": target["quoted_sender"]}
    if isinstance(content, c.Vote):
        return "vote", _vote(content, to, options, memory, own)
    if isinstance(content, UNKNOWN_HERE):
        raise Rejected(f"type: messages of the type {c.kind_of(content)} cannot be sent on WhatsApp")
    if isinstance(content, c.Edit) and content.text is None and content.caption is None:
        raise Rejected("text: only the text or the caption of a WhatsApp message can be edited")
    if isinstance(content, c.Unpin) and content.message_id is None:
        raise Rejected("message_id: WhatsApp has to know which message to unpin")
    if isinstance(content, c.Reaction) and not isinstance(content.emoji, str):
        raise Rejected("emoji: WhatsApp allows one emoji per reaction")
    if getattr(content, "format", "plain") == "html":
        raise Rejected("format: WhatsApp has no HTML; write *bold*, _italic_ and ~strikethrough~ directly in the text")
    if isinstance(content, c.Album) and (others := {item.type for item in content.items} - set(IN_ALBUMS)):
        raise Rejected(f"items: a WhatsApp album can hold pictures and videos, but no {min(others)}")
    fields = msgspec.to_builtins(content, builtin_types=(bytes,))
    for name in ("data", "media", "items"):
        fields.pop(name, None)
    arguments: dict[str, Any] = {"to": to, "content": fields, "data": None}
    if isinstance(content, c.Edit) and content.caption is not None:
        known = memory.get(content.message_id)
        kind = CAPTIONED.get((known.kind if known is not None else "") or "image")
        if kind is None:
            raise Rejected("caption: only pictures, videos and documents have one on WhatsApp")
        arguments["edits"] = kind
    if isinstance(content, c.Reaction | c.Delete | c.Pin | c.Unpin):
        arguments |= _target(str(content.message_id), to, options, memory, mine=isinstance(content, c.Delete))
    if message.reply_to is not None:
        quoted = _target(message.reply_to, to, options, memory, mine=False)
        sender = own if quoted["from_me"] else quoted["quoted_sender"]
        arguments |= {"reply_to": message.reply_to, "quoted_sender": sender, "quoted_text": quoted["quoted_text"]}
    if mentions := options.get("mentions"):
        arguments["mentions"] = [address(str(each), "options.mentions") for each in mentions]
    arguments |= passed(options)
    if isinstance(content, c.Animation | c.VideoNote):
        arguments["gif" if isinstance(content, c.Animation) else "video_note"] = True
        fields["type"] = "video"
    return "send", arguments


def _vote(vote: c.Vote, to: str, options: Any, memory: Memory, own: str) -> dict[str, Any]:
    target = _target(vote.message_id, to, options, memory, mine=False)
    known = memory.get(vote.message_id)
    if known is not None and known.options and (wrong := [each for each in vote.choices if each not in known.options]):
        raise Rejected(f"choices: the poll has no {wrong[0]!r}; it has {', '.join(map(repr, known.options))}")
    return {
        "to": to,
        "message_id": vote.message_id,
        "choices": list(vote.choices),
        "from_me": target["from_me"],
        "sender": own if target["from_me"] else target["quoted_sender"],
    }


def _target(id: str, to: str, options: Any, memory: Memory, *, mine: bool) -> dict[str, Any]:
    """The author of the message referred to. In a group, the caller or the session's memory must know the author."""
    known = memory.get(id)
    sender = options.get("reply_sender") or options.get("sender")
    from_me = options.get("from_me", known.from_me if known else mine and not sender)
    if sender:
        sender = address(str(sender), "options.sender")
    elif known and not known.from_me:
        sender = known.author
    elif not to.endswith("@g.us"):
        sender = to
    elif not from_me:
        raise Rejected(
            f"the author of the message {id!r} in this group is not known: name it in options.sender, or set from_me"
        )
    text = options.get("reply_text") or (known.text if known else "")
    return {"from_me": bool(from_me), "quoted_sender": sender, "quoted_text": str(text)[:QUOTE]}


async def with_file(
    arguments: dict[str, Any],
    file: Any,
    *,
    limit: int,
    seconds: float,
    allow_private: bool,
    ca_bundle: str | None = None,
) -> None:
    """Put a file and its type into the arguments. `file`: a content with a file, or an item of an album. Raises Rejected,
    NotConnected."""
    kind, data, guessed = arguments["content"]["type"], file.data, None
    if file.url is not None:
        data, guessed = await fetch(
            file.url, limit=limit, seconds=seconds, allow_private=allow_private, ca_bundle=ca_bundle
        )
    assert data is not None  # a file has either a URL or data
    if not data:
        raise Rejected("the file is empty")
    if len(data) > (limit := min(limit, LARGEST_CALL)):
        raise Rejected(f"the file has {len(data)} bytes, {limit} are allowed")
    named = mimetypes.guess_type(file.filename)[0] if file.filename else None
    arguments["data"] = data
    arguments["content"]["mime_type"] = file.mime_type or named or guessed or MIME_TYPES[kind]


def with_stored(arguments: dict[str, Any], file: LocalMedia) -> None:
    """Put the path of a stored file and its type into the arguments: the worker reads it itself."""
    fields = arguments["content"]
    arguments["path"] = str(file.path)
    fields["filename"] = fields.get("filename") or file.filename
    fields["mime_type"] = fields.get("mime_type") or file.content_type


def to_receipt(message: OutboundMessage, result: Any, now: float) -> Receipt:
    """The receipt for the worker's answer; `typing` sends no message. `now`: the engine's time, if the answer has none."""
    if not isinstance(result, dict):
        return Receipt(message_id="", time=now, chat=message.to)
    at = float(result["time"])
    # Seconds, or milliseconds in some versions of the library; earlier than 2009 when the server sent no time.
    at = at / 1000 if at > 1e11 else at
    return Receipt(message_id=result["id"], time=at if at > OLDEST else now, chat=address(message.to))
