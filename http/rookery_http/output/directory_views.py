"""People, groups, channels and the account as the API shows them."""

from __future__ import annotations

import msgspec

from rookery.model import directory

from .values import Moment, moment, moment_or_none


class ContactList(msgspec.Struct, frozen=True):
    """By name."""

    contacts: list[directory.ContactEntry]


class NumberCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`chat` is where messages to this number go, which may be under another number of the same account."""

    phone: str
    exists: bool
    chat: str | None
    lid: str | None
    checked_at: Moment  # answers are kept for a day

    @classmethod
    def of(cls, check: directory.NumberCheck) -> NumberCheck:
        return cls(
            phone=check.phone,
            exists=check.exists,
            chat=check.chat,
            lid=check.lid,
            checked_at=moment(check.checked_at),
        )


class NumberChecks(msgspec.Struct, frozen=True):
    """In the order in which they were asked for."""

    contacts: list[NumberCheck]


class PictureOrNone(msgspec.Struct, frozen=True):
    """Null when there is none to see."""

    picture: directory.Picture | None


class Blocked(msgspec.Struct, frozen=True):
    """Whether this person is blocked now."""

    who: str
    blocked: bool


class Timer(msgspec.Struct, frozen=True):
    """After how many seconds the messages of a private chat disappear; 0: they stay."""

    who: str
    expires_in: int


class BlockList(msgspec.Struct, frozen=True):
    """Addresses that cannot write to the account."""

    blocked: list[str]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group. `kind` tells communities and their announcement groups apart from plain ones."""

    chat: str
    name: str
    description: str | None
    kind: str
    community: str | None
    owner: str | None
    created_at: Moment | None
    only_admins_send: bool
    only_admins_edit: bool
    expires_in: int
    participants: list[directory.Participant]

    @classmethod
    def of(cls, group: directory.Group) -> Group:
        fields = msgspec.structs.asdict(group)
        return cls(**fields | {"created_at": moment_or_none(group.created_at)})


class GroupList(msgspec.Struct, frozen=True):
    """All groups that the account is in."""

    groups: list[Group]


class ParticipantList(msgspec.Struct, frozen=True):
    """`error` is the platform's number for somebody whom a change did not reach."""

    participants: list[directory.Participant]


class Invite(msgspec.Struct, frozen=True):
    """Anyone with the link may join."""

    link: str


class Joined(msgspec.Struct, frozen=True):
    """The group that a link led to."""

    chat: str


class Left(msgspec.Struct, frozen=True):
    """The account is not in the chat any more."""

    chat: str
    left: bool


class ChannelList(msgspec.Struct, frozen=True):
    """All channels that the account follows or owns."""

    channels: list[directory.Channel]


class PresenceSet(msgspec.Struct, frozen=True):
    """What holds from now on."""

    state: str | None
    subscribed: str | None


class Rejected(msgspec.Struct, frozen=True):
    """The call no longer rings."""

    call: str
    rejected: bool
