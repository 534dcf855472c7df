"""Messages, including those that could not be decrypted."""

from __future__ import annotations

from typing import Any

from . import contents, encoding
from .found import Found, found
from .places import NEWSLETTER, key_of, places
from .reporter import Reporter

ADMIN_EDIT, SENDER_REVOKE, ADMIN_REVOKE = "3", "7", "8"
"""The attribute `edit` of a stanza. In a channel an edit or deletion has the id of its original."""

SENDER_KEY = "sender_key"
"""The kind of a message that only delivers the key for its sender's later messages to a group."""

ENCRYPTED = "encrypted"
"""The type of an event whose content the engine decrypts before it stores it; never stored itself."""


def on_message(client: Reporter, event: Any) -> None:
    """Handle a message, an edit, a deletion, a reaction or a vote."""
    if event.Info.Category == "peer":
        return  # an exchange between the phone and this device
    client.store(describe_event(client, event))


def describe_event(client: Reporter, event: Any) -> Found:
    """The event for a message. Never raises: if describing it fails, the kind is `unknown`, with the reason."""
    try:
        return _describe(client, event)
    except Exception as error:
        info = event.Info
        reason = f"{type(error).__name__}: {error}"
        chat, sender, place = places(client, info.MessageSource)
        body = {"message_id": info.ID, "kind": "unknown", "text": "", "reason": reason} | place
        return found("message", key_of(info.MessageSource, info.ID), info.Timestamp / 1000, chat, sender, body, event)


def _describe(client: Reporter, event: Any) -> Found:
    info, content = event.Info, event.Message
    source = info.MessageSource
    chat, sender, place = places(client, source)
    key = key_of(source, info.ID)
    kind, body = contents.describe(content, info.ID)
    at = info.Timestamp / 1000
    if source.Chat.Server == NEWSLETTER:
        place["server_id"] = info.ServerID or None
        if info.Edit in (SENDER_REVOKE, ADMIN_REVOKE):
            kind, body, key = "deleted_message", {"message_id": info.ID}, f"{key}/revoke"
        elif info.Edit == ADMIN_EDIT and kind in ("message", "edited_message"):
            edited_at = event.NewsLetterMeta.EditTS
            kind, key = "edited_message", f"{key}/edit:{edited_at or encoding.digest(content.SerializeToString())}"
            body |= {"message_id": info.ID, "edit_id": f"{info.ID}:{edited_at}"}
    if kind == "poll_vote":
        body["option_hashes"] = client.read_vote(event)
    elif (sealed := contents.encrypted_part(content)) is not None:
        kind, body = ENCRYPTED, _sealed(sealed, info.ID)
    elif kind == "message":
        _view_once(event, body)
    if body.get("kind") == SENDER_KEY:
        # In a group, each sender's first message arrives in two parts with one id: this part, and the content.
        key = f"{key}/{SENDER_KEY}"
    if info.Pushname:
        place["sender_name"] = info.Pushname
    event.ClearField("Raw")  # it repeats the message
    raw = event if contents.keeps_raw(content) else encoding.encode_body({"omitted": "holds keys"})
    return found(kind, key, at, chat, sender, body | place, raw)


def _view_once(event: Any, body: dict[str, Any]) -> None:
    if event.IsViewOnce or event.IsViewOnceV2 or event.IsViewOnceV2Extension:
        body["view_once"] = True
    if event.IsEphemeral:
        body["ephemeral"] = True


def _sealed(sealed: tuple[str, Any, Any], id: str) -> dict[str, Any]:
    field, part, key = sealed
    return {
        "message_id": id,
        "field": field,
        "use": getattr(part, "secretEncType", 0),
        "target": key.ID,
        "target_author": key.participant or key.remoteJID,
        "target_from_me": key.fromMe,
        "payload": part.encPayload.hex(),
        "iv": part.encIV.hex(),
    }


def on_undecryptable(client: Reporter, event: Any) -> None:
    """The library asks the sender to encrypt a message again, up to five times. While it cannot read its own keys, that
    only uses up the attempts, and then the message is lost: so disconnect, and let the server keep new messages."""
    if client.hang_up_without_keys():
        return
    info = event.Info
    chat, sender, place = places(client, info.MessageSource)
    reason = "unavailable" if event.IsUnavailable else "undecryptable"
    body: dict[str, Any] = {
        "message_id": info.ID,
        "kind": "undecryptable",
        "text": "",
        "reason": reason,
        "retry_requested": not event.IsUnavailable,  # from the sender; an unavailable message exists only on the phone
        "content_type": info.Type or None,
        "media_type": info.MediaType or None,
    } | place
    if info.Pushname:
        body["sender_name"] = info.Pushname
    key = f"{key_of(info.MessageSource, info.ID)}/undecryptable"
    client.store(found("undecryptable_message", key, info.Timestamp / 1000, chat, sender, body, event))
