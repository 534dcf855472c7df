"""Converts the content of a WhatsApp message (`waE2E.Message`) to Rookery's events."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from . import kinds

REVOKE, EDIT = 0, 14  # ProtocolMessage.Type
DEPTH = 8
"""Maximum number of wrappers to open around one message."""

QUOTED = 1000
"""Characters to keep of a quoted message's text."""


def unwrapped(message: Any) -> tuple[Any, dict[str, Any]]:
    """The message inside the wrappers, and the wrappers' information about it."""
    said: dict[str, Any] = {}
    for _ in range(DEPTH):
        for name, meaning in kinds.WRAPPERS.items():
            if message.HasField(name):
                said |= meaning
                inner = getattr(message, name)
                if not inner.HasField("message"):
                    return message, said | {"kind": spoken(name)}
                message = inner.message
                break
        else:
            return message, said
    if any(message.HasField(name) for name in kinds.WRAPPERS):
        said["reason"] = f"more than {DEPTH} messages nested inside each other"
    return message, said


def spoken(name: str) -> str:
    """The name of a field without its suffix: `view_once` for `viewOnceMessageV2`."""
    return re.sub(r"_?message(_v[0-9]+)?(_extension)?$", "", re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())


def describe(message: Any, id: str) -> tuple[str, dict[str, Any]]:
    """The event's type and the part of its body that depends on the content. A message always has `kind` and `text`."""
    message, said = unwrapped(message)
    if message.HasField("protocolMessage"):
        return _protocol(message.protocolMessage, id)
    if message.HasField("reactionMessage"):
        reaction = message.reactionMessage
        return "reaction", {"message_id": reaction.key.ID, "emoji": reaction.text, "reaction_id": id}
    if message.HasField("pollUpdateMessage"):
        return "poll_vote", {"message_id": message.pollUpdateMessage.pollCreationMessageKey.ID, "vote_id": id}
    body: dict[str, Any] = {"message_id": id, "kind": "unknown", "text": ""} | said
    for name, (kind, fill) in kinds.KINDS.items():
        if message.HasField(name):
            part = getattr(message, name)
            body["kind"] = kind
            _fill(name, part, fill, body)
            return "message", body
    service = [kinds.SERVICE[field.name] for field, _ in message.ListFields() if field.name in kinds.SERVICE]
    service.sort(key=kinds.CONTEXT.__eq__)  # last, because context accompanies any kind
    unknown = [field.name for field, _ in message.ListFields() if field.name not in kinds.SERVICE]
    if service and not unknown:
        return "service_message", {"message_id": id, "kind": service[0]}
    if not unknown and body["kind"] == "unknown":
        return "message", body | {"reason": "empty, or a kind of message that is newer than this library"}
    return "message", body | ({"part": unknown[0]} if unknown else {})


def _fill(name: str, part: Any, fill: kinds.Describe, body: dict[str, Any]) -> None:
    try:
        fill(part, body)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        # A field has an unexpected form, but the kind is still known.
        body["reason"] = f"{type(error).__name__}: {error}"
    if (inside := kinds.HOLDERS.get(name)) and part.HasField(inside):
        # Without the message that it holds itself, so that no stranger can make this recurse.
        held = describe_quote(getattr(part, inside))
        body["text"] = held["text"]
        if held["kind"] != "text":
            body["contains"] = held["kind"]
    if body["kind"] == "text" and not body["text"]:
        body.setdefault("reason", "an empty text")
    context = getattr(part, "contextInfo", None)
    if context is not None:
        _context(context, body)


def _context(context: Any, body: dict[str, Any]) -> None:
    """Add the message's reply, mentions, forwarding and lifetime."""
    if context.stanzaID:
        body["reply_to"] = context.stanzaID
        if context.HasField("quotedMessage"):
            body["quote"] = {"sender": context.participant or None, **describe_quote(context.quotedMessage)}
    if context.mentionedJID:
        body["mentions"] = list(context.mentionedJID)
    if context.nonJIDMentions:
        body["mention_all"] = True
    if context.isForwarded:
        body["forwarded"] = True
        body["forwarding_score"] = context.forwardingScore
    if context.expiration:
        body["expires_in"] = context.expiration
    if context.isGroupStatus:
        body["group_status"] = True


def describe_quote(message: Any) -> dict[str, str]:
    """`kind` and `text` of a quoted message, without the message that it quotes in turn."""
    message, said = unwrapped(message)
    for name, (kind, fill) in kinds.KINDS.items():
        if message.HasField(name):
            body: dict[str, Any] = {"kind": kind, "text": ""}
            with suppress(AttributeError, TypeError, ValueError, RecursionError):
                fill(getattr(message, name), body)
            return {"kind": body["kind"], "text": str(body["text"])[:QUOTED]}
    names = [field.name for field, _ in message.ListFields()]
    for name in sorted(names, key="messageContextInfo".__eq__):
        if name in kinds.SERVICE:
            return {"kind": kinds.SERVICE[name], "text": ""}
        if name in kinds.OWN_TYPES or name in kinds.ENCRYPTED:
            return {"kind": spoken(name), "text": ""}
    return {"kind": said.get("kind", "unknown"), "text": ""}


def _protocol(protocol: Any, id: str) -> tuple[str, dict[str, Any]]:
    if protocol.type == REVOKE and protocol.key.ID:
        return "deleted_message", {"message_id": protocol.key.ID, "deletion_id": id}
    if protocol.type == EDIT:
        edited_type, edited = describe(protocol.editedMessage, protocol.key.ID)
        if edited_type not in ("message", "edited_message") or edited["kind"] == "unknown":
            edited = describe_quote(protocol.editedMessage)
        return "edited_message", edited | {"message_id": protocol.key.ID, "edit_id": id}
    kind = kinds.PROTOCOL.get(protocol.type, f"protocol_{protocol.type}")
    body: dict[str, Any] = {"message_id": id, "kind": kind}
    if kind == "ephemeral_setting":
        body["expires_in"] = protocol.ephemeralExpiration
    return "service_message", body


def encrypted_part(message: Any) -> tuple[str, Any, Any] | None:
    """The field, its part, and the key of the earlier message under whose secret the content is encrypted, if it is."""
    message, _ = unwrapped(message)
    for name, key in kinds.ENCRYPTED.items():
        if message.HasField(name):
            part = getattr(message, name)
            return name, part, getattr(part, key)
    return None


def keeps_raw(message: Any) -> bool:
    """False for documents that hold keys."""
    message, _ = unwrapped(message)
    if message.HasField("protocolMessage"):
        return message.protocolMessage.type not in kinds.HOLDS_KEYS
    names = {field.name for field, _ in message.ListFields()} - {"messageContextInfo"}
    return not (names and names <= kinds.SERVICE.keys())
