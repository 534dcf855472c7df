"""The control API's views of phones, messages, groups and channels."""

from __future__ import annotations

from typing import Any

from .phone.phone import Phone
from .phone.records import ReceivedMessage
from .server.state.channel import Channel
from .server.state.group import Group


def message(received: ReceivedMessage) -> dict[str, Any]:
    content = received.message
    return {
        "message_id": received.id,
        "from": received.number,
        "chat": str(received.chat),
        "kind": received.kind,
        "fields": [field.name for field, _ in content.ListFields()],
        "text": received.text,
        "emoji": content.reactionMessage.text or None,
        "at": received.at,
    }


def phone(shown: Phone) -> dict[str, Any]:
    return {
        "number": shown.number,
        "name": shown.name,
        "jid": str(shown.jid),
        "lid": str(shown.lid),
        "about": shown.about,
        "picture": shown.picture,
        "blocked": sorted(str(each) for each in shown.blocked),
        "devices": [
            {"jid": str(each.jid), "connected": each.is_active, "logins": each.logins, "waiting": len(each.undelivered)}
            for each in shown.devices.values()
        ],
    }


def group(shown: Group) -> dict[str, Any]:
    members = [member.number for member in shown.members]
    return {"jid": str(shown.jid), "name": shown.subject, "members": members, "invite": shown.invite}


def channel(shown: Channel) -> dict[str, Any]:
    return {"jid": str(shown.jid), "name": shown.name}
