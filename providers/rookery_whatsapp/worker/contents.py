"""What is in a WhatsApp message (`waE2E.Message`), in the words of Rookery's events."""

from __future__ import annotations

from typing import Any

MEDIA = {
    "imageMessage": "image",
    "videoMessage": "video",
    "ptvMessage": "video",
    "audioMessage": "audio",
    "documentMessage": "document",
    "stickerMessage": "sticker",
}
WRAPPERS = (
    "ephemeralMessage",
    "viewOnceMessage",
    "viewOnceMessageV2",
    "viewOnceMessageV2Extension",
    "documentWithCaptionMessage",
    "editedMessage",
    "deviceSentMessage",
    "lottieStickerMessage",
    "groupMentionedMessage",
    "botInvokeMessage",
    "associatedChildMessage",
)
POLLS = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3", "pollCreationMessageV5")
SILENT = {"senderKeyDistributionMessage", "fastRatchetKeySenderKeyDistributionMessage", "messageContextInfo"}
"""Parts that carry keys for other parts."""

REVOKE, EDIT = 0, 14  # ProtocolMessage.Type


def unwrapped(message: Any) -> Any:
    """The message inside the wrappers that only say how to show it."""
    for _ in range(8):
        for name in WRAPPERS:
            if message.HasField(name) and getattr(message, name).HasField("message"):
                message = getattr(message, name).message
                break
        else:
            return message
    return message


def is_for_people(message: Any) -> bool:
    """False for what devices tell each other: keys, settings, history."""
    message = unwrapped(message)
    parts = {field.name for field, _ in message.ListFields()} - SILENT
    if parts == {"protocolMessage"}:
        return message.protocolMessage.type in (REVOKE, EDIT)
    return bool(parts)


def describe(message: Any, id: str) -> tuple[str, dict[str, Any]]:
    """The event's type and the part of its body that depends on the content. `text` is there for every message."""
    message = unwrapped(message)
    if message.HasField("protocolMessage"):
        protocol = message.protocolMessage
        if protocol.type == REVOKE:
            return "deleted_message", {"message_id": protocol.key.ID}
        _, edited = describe(protocol.editedMessage, protocol.key.ID)
        return "edited_message", edited | {"edit_id": id}
    if message.HasField("reactionMessage"):
        reaction = message.reactionMessage
        return "reaction", {"message_id": reaction.key.ID, "emoji": reaction.text, "reaction_id": id}
    if message.HasField("pollUpdateMessage"):
        return "poll_vote", {"message_id": message.pollUpdateMessage.pollCreationMessageKey.ID, "vote_id": id}
    body: dict[str, Any] = {"message_id": id, "kind": "unknown", "text": ""}
    part = _describe(message, body)
    context = getattr(part, "contextInfo", None) if part is not None else None
    if context is not None and context.stanzaID:
        body["reply_to"] = context.stanzaID
    if context is not None and context.mentionedJID:
        body["mentions"] = list(context.mentionedJID)
    if context is not None and context.isForwarded:
        body["forwarded"] = True
    return "message", body


def _describe(message: Any, body: dict[str, Any]) -> Any:
    """Fill `body`; returns the part of the message that it came from."""
    if message.HasField("conversation"):
        body |= {"kind": "text", "text": message.conversation}
        return None
    if message.HasField("extendedTextMessage"):
        body |= {"kind": "text", "text": message.extendedTextMessage.text}
        return message.extendedTextMessage
    for name, kind in MEDIA.items():
        if message.HasField(name):
            return _media(getattr(message, name), kind, body)
    if message.HasField("locationMessage") or message.HasField("liveLocationMessage"):
        live = message.HasField("liveLocationMessage")
        place = message.liveLocationMessage if live else message.locationMessage
        location = {"latitude": place.degreesLatitude, "longitude": place.degreesLongitude, "live": live}
        if not live:
            location |= {"name": place.name or None, "address": place.address or None}
        body |= {"kind": "location", "location": location, "text": place.caption if live else place.name}
        return place
    if message.HasField("contactMessage"):
        card = message.contactMessage
        body |= {"kind": "contact", "contacts": [{"name": card.displayName, "vcard": card.vcard}]}
        return card
    if message.HasField("contactsArrayMessage"):
        cards = message.contactsArrayMessage
        body |= {"kind": "contact", "contacts": [{"name": c.displayName, "vcard": c.vcard} for c in cards.contacts]}
        return cards
    for name in POLLS:
        if message.HasField(name):
            poll = getattr(message, name)
            options = [option.optionName for option in poll.options]
            details = {"question": poll.name, "options": options, "selectable": poll.selectableOptionsCount}
            body |= {"kind": "poll", "text": poll.name, "poll": details}
            return poll
    return None


def _media(part: Any, kind: str, body: dict[str, Any]) -> Any:
    if kind == "audio" and part.PTT:
        kind = "voice"
    media: dict[str, Any] = {"mime_type": part.mimetype or None, "size": part.fileLength}
    for field, name in (("fileName", "filename"), ("seconds", "seconds"), ("width", "width"), ("height", "height")):
        if value := getattr(part, field, None):
            media[name] = value
    body |= {"kind": kind, "text": getattr(part, "caption", ""), "media": media}
    return part
