"""Payloads in the formats of other gateways, so that programs written for them keep working unchanged.

WAHA (waha.devlike.pro/docs/how-to/events) and Evolution API (doc.evolution-api.com, webhooks), as publicly documented:
text and media messages, acknowledgements, the session's state, the QR code. `docs/webhooks.md` lists the limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

from ..model.document import EventDocument
from ..model.event import Event
from ..model.webhook import event_id

FORMS = ("waha", "evolution")
FORM_TYPES = ("message", "message.status", "session.status", "session.qr")
"""Event types that a webhook with one of these formats receives, unless it names types."""

_WAHA_STATES = {
    "INITIALIZING": "STARTING",
    "LOADING": "STARTING",
    "RECONNECTING": "STARTING",
    "QR_REQUIRED": "SCAN_QR_CODE",
    "CODE_REQUIRED": "SCAN_QR_CODE",
    "CONNECTED": "WORKING",
    "DISCONNECTED": "STOPPED",
    "AUTH_FAILURE": "FAILED",
}
_WAHA_ACKS = {"failed": (-1, "ERROR"), "sent": (1, "SERVER"), "delivered": (2, "DEVICE"), "read": (3, "READ")}
_EVOLUTION_STATES = {"CONNECTED": "open", "DISCONNECTED": "close", "AUTH_FAILURE": "close"}
_EVOLUTION_ACKS = {"failed": "ERROR", "sent": "SERVER_ACK", "delivered": "DELIVERY_ACK", "read": "READ"}
_EVOLUTION_KINDS = {
    "image": "imageMessage",
    "video": "videoMessage",
    "audio": "audioMessage",
    "voice": "audioMessage",
    "document": "documentMessage",
    "sticker": "stickerMessage",
}


def payload_of(form: str, event: Event) -> dict[str, Any] | None:
    """Returns the payload for this event; None when the format has none for it, so nothing is posted."""
    return _waha(event) if form == "waha" else _evolution(event)


def _waha(event: Event) -> dict[str, Any] | None:
    payload: dict[str, Any]
    name = event.type
    match event.type:
        case "message":
            payload = _waha_message(event)
            if payload["fromMe"]:
                name = "message.any"  # there, `message` is only what others wrote; a bot must not answer itself
        case "message.status" if event.body.get("state") in _WAHA_ACKS:
            name = "message.ack"
            ack, ack_name = _WAHA_ACKS[event.body["state"]]
            chat = _chat_us(event.chat)
            payload = {
                "id": f"true_{chat}_{event.body.get('message_id') or event.body.get('id')}",
                "from": chat,
                "to": chat,
                "participant": None,
                "fromMe": True,
                "ack": ack,
                "ackName": ack_name,
            }
        case "session.status":
            status = _WAHA_STATES.get(event.body.get("status", ""), "FAILED")
            payload = {
                "name": event.session,
                "status": status,
                "statuses": [{"status": status, "timestamp": int(_seconds(event.time) * 1000)}],
            }
        case _:
            return None
    return {
        "id": event_id(event),
        "timestamp": int(_seconds(event.time) * 1000),
        "event": name,
        "session": event.session,
        "metadata": {},
        "engine": "ROOKERY",
        "payload": payload,
        "environment": {"engine": "ROOKERY", "tier": "CORE"},
    }


def _waha_message(event: Event) -> dict[str, Any]:
    body, chat = event.body, _chat_us(event.chat)
    from_me = body.get("from_me") is True
    media = EventDocument.of(event).body.get("media")
    return {
        "id": f"{'true' if from_me else 'false'}_{chat}_{body.get('message_id', event.key)}",
        "timestamp": int(_seconds(event.time)),
        "from": chat,
        "fromMe": from_me,
        "to": chat if from_me else None,
        "participant": _chat_us(event.sender) if body.get("chat_type") == "group" else None,
        "body": body.get("text", ""),
        "hasMedia": isinstance(media, dict),
        "media": {
            "url": media.get("href"),
            "mimetype": media.get("mime_type"),
            "filename": media.get("filename"),
            "error": None,
        }
        if isinstance(media, dict)
        else None,
        "location": _waha_location(body.get("location")),
        "vCards": [card["vcard"] for card in _cards(body)],
        "ack": 1 if from_me else 2,
        "ackName": "SERVER" if from_me else "DEVICE",
        "replyTo": {"id": body["reply_to"]} if body.get("reply_to") else None,
        "_data": event.raw,
    }


def _evolution(event: Event) -> dict[str, Any] | None:
    data: dict[str, Any]
    match event.type:
        case "message":
            name, data = "messages.upsert", _evolution_message(event)
        case "message.status" if event.body.get("state") in _EVOLUTION_ACKS:
            name = "messages.update"
            data = {
                "messageId": event.body.get("id"),
                "keyId": event.body.get("message_id"),
                "remoteJid": event.chat,
                "fromMe": True,
                "participant": None,
                "status": _EVOLUTION_ACKS[event.body["state"]],
                "instanceId": event.session,
            }
        case "session.status":
            name = "connection.update"
            state = _EVOLUTION_STATES.get(event.body.get("status", ""), "connecting")
            data = {"instance": event.session, "state": state, "statusReason": 200 if state == "open" else 0}
        case "session.qr":
            name = "qrcode.updated"
            code = event.body.get("code")
            data = {
                "qrcode": {
                    "instance": event.session,
                    "pairingCode": None,
                    "code": code,
                    "base64": _picture_of(code),
                    "count": event.body.get("round"),
                }
            }
        case _:
            return None
    return {
        "event": name,
        "instance": event.session,
        "data": data,
        "sender": None,  # there the session's own account, which an event does not name
        "date_time": datetime.fromtimestamp(_seconds(event.time), UTC).isoformat(timespec="milliseconds"),
    }


def _evolution_message(event: Event) -> dict[str, Any]:
    body = event.body
    kind = _EVOLUTION_KINDS.get(str(body.get("kind")), "conversation")
    text = body.get("text", "")
    media = EventDocument.of(event).body.get("media")
    message: Mapping[str, Any] = {"conversation": text}
    location = body.get("location")
    if isinstance(location, Mapping):
        kind = "locationMessage"
        message = {
            kind: {
                "degreesLatitude": location.get("latitude"),
                "degreesLongitude": location.get("longitude"),
                "name": location.get("name"),
                "address": location.get("address"),
            }
        }
    elif cards := _cards(body):
        kind = "contactMessage"
        message = {kind: {"displayName": cards[0].get("name"), "vcard": cards[0]["vcard"]}}
    elif kind != "conversation":
        known = media if isinstance(media, dict) else {}
        message = {
            kind: {
                "caption": text,
                "mimetype": known.get("mime_type"),
                "fileName": known.get("filename"),
                "url": known.get("href"),
            }
        }
    return {
        "key": {"remoteJid": event.chat, "fromMe": body.get("from_me") is True, "id": body.get("message_id", event.key)}
        | ({"participant": event.sender} if body.get("chat_type") == "group" else {}),
        "pushName": body.get("sender_name", ""),
        "status": "SERVER_ACK" if body.get("from_me") is True else "DELIVERY_ACK",
        "message": message,
        "messageType": kind,
        "messageTimestamp": int(_seconds(event.time)),
        "instanceId": event.session,
        "source": "unknown",
    }


def _waha_location(location: object) -> dict[str, Any] | None:
    if not isinstance(location, Mapping):
        return None
    described = location.get("name") or location.get("address")
    return {
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "description": described if isinstance(described, str) else None,
    }


def _cards(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The address cards of a message that were sent as vCards."""
    cards = body.get("contacts")
    return (
        [card for card in cards if isinstance(card, Mapping) and card.get("vcard")] if isinstance(cards, list) else []
    )


def _picture_of(code: object) -> str | None:
    """A QR code as a data URL of a PNG; None where the library that draws it, an extra, is not installed."""
    if not isinstance(code, str) or find_spec("segno") is None:
        return None
    import segno

    picture: str = segno.make_qr(code, error="l").png_data_uri(scale=6, border=4)
    return picture


def _chat_us(address: str | None) -> str | None:
    """Returns a person's address as WAHA writes it: `...@c.us`."""
    return None if address is None else address.replace("@s.whatsapp.net", "@c.us")


def _seconds(time: float) -> float:
    """Returns the time, limited to what a calendar can represent."""
    return min(max(time, 0.0), 253402300799.0)
