"""The catalogue of events: the types, the fields of each body, and which platform produces them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from .subscription import QUIET_TYPES


class ChatRole(StrEnum):
    """What an event does in the view of its chat. The body's `message_id`, or `message_ids`, names the message."""

    MESSAGE = "message"  # a new message in the chat
    EDIT = "edit"  # new content for an earlier message
    DELETION = "deletion"
    REACTION = "reaction"  # with `emoji`, empty when the reaction is removed
    VOTE = "vote"  # in a poll, with `options`: the chosen answers, empty when the vote is taken back, null when unknown
    READ = "read"  # the account's owner has read up to this message


class EventType(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue. `body` is a structure with the fields that a body may have, always of JSON's types;
    more fields may follow. `platform` None: the engine produces it, on every platform."""

    name: str
    summary: str
    body: type[msgspec.Struct] | None = None
    platform: str | None = None
    role: ChatRole | None = None

    @property
    def quiet(self) -> bool:
        """True when only subscribers that name the type, or a pattern with its first word, receive it."""
        return self.name in QUIET_TYPES


class SessionStatusBody(msgspec.Struct, frozen=True):
    """A session's new status and why; `previous` is the status before, `owner` the instance that runs the session."""

    status: str
    reason: str
    detail: str
    action: str
    previous: str
    enabled: bool
    owner: str


class PairingBody(msgspec.Struct, frozen=True):
    """A code that authorises the session until `expires_at`."""

    code: str
    expires_at: str | None
    round: int | msgspec.UnsetType = msgspec.UNSET


class MessageStatusBody(msgspec.Struct, frozen=True):
    """The state of a send: `id` is ours, `message_id` the platform's."""

    id: str
    state: str
    error: str | None
    message_id: str | None


class StoredMediaBody(msgspec.Struct, frozen=True):
    """The result of fetching the file of the event `event`."""

    event: int | None
    message_id: str | None
    file: dict[str, Any]
    error: str | None


ENGINE_TYPES = (
    EventType(
        name="session.status",
        summary="The status of a session, or the reason for it, is another one.",
        body=SessionStatusBody,
    ),
    EventType(name="session.qr", summary="A person has to scan this code.", body=PairingBody),
    EventType(name="session.pairing_code", summary="A person has to type this code into the phone.", body=PairingBody),
    EventType(
        name="message.status", summary="A send came to its end, or was delivered or read.", body=MessageStatusBody
    ),
    EventType(name="media.stored", summary="The file of a message is stored here.", body=StoredMediaBody),
    EventType(name="media.failed", summary="The file of a message could not be fetched.", body=StoredMediaBody),
)
"""The events that the engine itself writes into the log."""
