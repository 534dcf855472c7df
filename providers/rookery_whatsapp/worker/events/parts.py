"""Describes the parts of a message other than files and commerce. Each function fills a body."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict

SMALL = 2000
"""Maximum characters that `generic` copies of one value."""

Body = dict[str, Any]


def nothing(part: Any, body: Body) -> None:
    """Add nothing: the kind says everything."""


def plain(part: str, body: Body) -> None:
    """Text and nothing else."""
    body["text"] = part


def text(part: Any, body: Body) -> None:
    """Text with an optional preview of a link."""
    body["text"] = part.text
    if part.matchedText or part.title:
        body["link"] = {
            "url": part.matchedText or None,
            "title": part.title or None,
            "description": part.description or None,
        }


def generic(part: Any, body: Body) -> None:
    """The plain fields of a part without a function of its own, under `details`."""
    fields = MessageToDict(part, preserving_proto_field_name=True)
    body["details"] = {
        name: value
        for name, value in fields.items()
        if not isinstance(value, dict | list) and not (isinstance(value, str) and len(value) > SMALL)
    }
    for name in ("text", "caption", "title", "name", "body", "message"):
        value = fields.get(name)
        if isinstance(value, str):
            body["text"] = value
            return


def location(part: Any, body: Body) -> None:
    """A point on the map."""
    body["location"] = {
        "latitude": part.degreesLatitude,
        "longitude": part.degreesLongitude,
        "live": False,
        "name": part.name or None,
        "address": part.address or None,
    }
    body["text"] = part.name


def live_location(part: Any, body: Body) -> None:
    """A point on the map that moves."""
    body["location"] = {
        "latitude": part.degreesLatitude,
        "longitude": part.degreesLongitude,
        "live": True,
        "accuracy": part.accuracyInMeters or None,
        "speed": part.speedInMps or None,
        "sequence": part.sequenceNumber or None,
    }
    body["text"] = part.caption


def contact(part: Any, body: Body) -> None:
    """One address card."""
    body["contacts"] = [{"name": part.displayName, "vcard": part.vcard}]


def contacts(part: Any, body: Body) -> None:
    """Several address cards."""
    body["contacts"] = [{"name": card.displayName, "vcard": card.vcard} for card in part.contacts]


def poll(part: Any, body: Body) -> None:
    """A question with options to choose from."""
    body["text"] = part.name
    body["poll"] = {
        "question": part.name,
        "options": [option.optionName for option in part.options],
        "selectable": part.selectableOptionsCount,
    }


def poll_result(part: Any, body: Body) -> None:
    """The votes of a poll that was closed."""
    body["text"] = part.name
    body["poll"] = {
        "question": part.name,
        "votes": [{"option": vote.optionName, "count": vote.optionVoteCount} for vote in part.pollVotes],
    }


def poll_option(part: Any, body: Body) -> None:
    """Someone added an option to a poll."""
    body["target"] = part.pollCreationMessageKey.ID
    body["text"] = part.addOption.optionName


def album(part: Any, body: Body) -> None:
    """The announcement of several pictures and videos, which follow as separate messages."""
    body["album"] = {"images": part.expectedImageCount, "videos": part.expectedVideoCount}


def event(part: Any, body: Body) -> None:
    """An invitation to an event."""
    body["text"] = part.name
    body["event"] = {
        "name": part.name,
        "description": part.description or None,
        "location": part.location.name or None,
        "link": part.joinLink or None,
        "start": part.startTime or None,
        "end": part.endTime or None,
        "cancelled": part.isCanceled,
    }


def group_invite(part: Any, body: Body) -> None:
    """An invitation to a group."""
    body["text"] = part.caption
    body["invite"] = {
        "group": part.groupJID,
        "name": part.groupName or None,
        "code": part.inviteCode or None,
        "expires_at": part.inviteExpiration or None,
    }


def channel_invite(part: Any, body: Body) -> None:
    """An invitation to follow or administer a channel."""
    body["text"] = getattr(part, "caption", "")
    body["invite"] = {"channel": part.newsletterJID, "name": part.newsletterName or None}


def call_log(part: Any, body: Body) -> None:
    """How a call ended."""
    outcome = part.DESCRIPTOR.fields_by_name["callOutcome"].enum_type.values_by_number.get(part.callOutcome)
    body["call"] = {
        "video": part.isVideo,
        "outcome": outcome.name.lower() if outcome is not None else None,
        "seconds": part.durationSecs or None,
    }


def scheduled_call(part: Any, body: Body) -> None:
    """A scheduled call."""
    body["text"] = part.title
    body["call"] = {"at": part.scheduledTimestampMS / 1000, "video": part.callType == 2, "title": part.title or None}


def keyed(part: Any, body: Body) -> None:
    """Something about an earlier message."""
    body["target"] = part.key.ID


def pin(part: Any, body: Body) -> None:
    """A message was pinned or unpinned for everyone."""
    body["target"] = part.key.ID
    body["pinned"] = part.type == 1


def keep(part: Any, body: Body) -> None:
    """A disappearing message was kept, or no longer kept."""
    body["target"] = part.key.ID
    body["kept"] = part.keepType == 1


def comment(part: Any, body: Body) -> None:
    """A comment below a message of an announcement group."""
    body["target"] = part.targetMessageKey.ID


def answered(part: Any, body: Body) -> None:
    """An answer to a question in a status or a channel."""
    body["target"] = part.key.ID
    body["text"] = part.text


def quoted_status(part: Any, body: Body) -> None:
    """Part of a status."""
    body["target"] = part.originalStatusID.ID
    body["text"] = part.text


def placeholder(part: Any, body: Body) -> None:
    """A placeholder for a message that only the phone gets."""
    body["reason"] = "only_on_the_phone"


def rich(part: Any, body: Body) -> None:
    """A bot's answer, in several parts."""
    body["text"] = "\n".join(piece.messageText for piece in part.submessages if piece.messageText)


def chat(part: Any, body: Body) -> None:
    """A chat that was shared."""
    body["text"] = part.displayName
    body["shared_chat"] = {"id": part.ID, "name": part.displayName or None}
