"""The account's directory: people, groups, channels and the account itself, with the questions and changes that a link
supports.

Each question is a structure of its own; `ANSWERS` gives the type of its answer. A link answers the questions that its
platform supports. Addresses are the platform's own; a question accepts them in any form that a person would write.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class ContactEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A person. `id` is the address that events use; `name` is the best name known."""

    id: str
    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    full_name: str | None = None  # in the account's address book
    push_name: str | None = None  # chosen by the person
    business_name: str | None = None
    about: str | None = None  # this and the following fields are filled only in the answer about one contact
    picture_id: str | None = None
    blocked: bool | None = None


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A profile picture at the platform; `url` is valid for some days."""

    url: str
    id: str


class NumberCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the platform knows a phone number, and the number's chat there, which may be under another number."""

    phone: str
    exists: bool
    chat: str | None
    lid: str | None
    checked_at: float  # seconds since the epoch; answers are cached for a day


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a group. `error` is the platform's error number when a change failed for this member."""

    id: str
    phone: str | None = None
    lid: str | None = None
    admin: bool = False
    owner: bool = False
    error: int | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group. `kind`: group, community, community_announcements or community_group; `community` is the parent's address."""

    chat: str
    name: str
    description: str | None = None
    kind: str = "group"
    community: str | None = None
    owner: str | None = None
    created_at: float | None = None
    only_admins_send: bool = False
    only_admins_edit: bool = False
    expires_in: int = 0  # seconds after which messages disappear; 0: never
    participants: list[Participant] = []


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that the account follows or owns. `role`: subscriber, guest, admin or owner."""

    chat: str
    name: str
    description: str | None = None
    role: str | None = None
    subscribers: int | None = None
    muted: bool | None = None
    link: str | None = None


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Who sees the account's statuses: its contacts, all of them except some `people`, or only those."""

    kind: Literal["contacts", "except", "only"]
    people: list[str] = []


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The account itself. `privacy`: what it shows to whom, in the platform's words. `statuses`: who sees its statuses."""

    id: str
    phone: str | None = None
    lid: str | None = None
    name: str | None = None
    about: str | None = None
    picture: Picture | None = None
    privacy: dict[str, str] = {}
    statuses: Audience | None = None


class Question(msgspec.Struct, frozen=True, tag_field="ask", tag=True, kw_only=True):
    """Base of all questions. The tag of each is its name."""


class ListContacts(Question, frozen=True, tag=True, kw_only=True):
    """All contacts whose name, number or address contains `q`."""

    q: str | None = None


class GetContact(Question, frozen=True, tag=True, kw_only=True):
    who: str


class GetPicture(Question, frozen=True, tag=True, kw_only=True):
    """Also accepts a group."""

    who: str


class CheckNumbers(Question, frozen=True, tag=True, kw_only=True):
    """Which of these phone numbers have an account; each in any form that a person would write."""

    phones: list[str]


class SetBlocked(Question, frozen=True, tag=True, kw_only=True):
    who: str
    blocked: bool


class SetTimer(Question, frozen=True, tag=True, kw_only=True):
    """Messages of a private chat disappear, on both sides, `expires_in` seconds after they were sent; 0: they stay.
    Groups use `ChangeGroup.expires_in`."""

    who: str
    expires_in: int


class ListBlocked(Question, frozen=True, tag=True, kw_only=True):
    """The addresses of the people whom the account blocks."""


class ListGroups(Question, frozen=True, tag=True, kw_only=True):
    """The groups that the account is in."""


class GetGroup(Question, frozen=True, tag=True, kw_only=True):
    chat: str


class CreateGroup(Question, frozen=True, tag=True, kw_only=True):
    name: str
    participants: list[str]
    community: bool = False  # a community, which holds groups
    parent: str | None = None  # the community that it becomes a part of


class ChangeGroup(Question, frozen=True, tag=True, kw_only=True):
    """Fields that are None stay unchanged; an empty description removes it. `picture`: a JPEG; empty bytes remove the
    picture."""

    chat: str
    name: str | None = None
    description: str | None = None
    only_admins_send: bool | None = None
    only_admins_edit: bool | None = None
    expires_in: int | None = None
    picture: bytes | None = None


class LeaveGroup(Question, frozen=True, tag=True, kw_only=True):
    chat: str


class ChangeParticipants(Question, frozen=True, tag=True, kw_only=True):
    """Change members of a group; the answer has those that the change was for, each with its own error, if any."""

    chat: str
    change: Literal["add", "remove", "promote", "demote"]
    participants: list[str]


class ListJoinRequests(Question, frozen=True, tag=True, kw_only=True):
    chat: str


class GetInvite(Question, frozen=True, tag=True, kw_only=True):
    """The link to join a group; `reset` creates a new one and invalidates the old one."""

    chat: str
    reset: bool = False


class JoinGroup(Question, frozen=True, tag=True, kw_only=True):
    """Join the group of an invite link; the answer is its address."""

    link: str


class PreviewGroup(Question, frozen=True, tag=True, kw_only=True):
    """The group that an invite link leads to, without joining it."""

    link: str


class ListChannels(Question, frozen=True, tag=True, kw_only=True):
    """The channels that the account follows or owns."""


class GetChannel(Question, frozen=True, tag=True, kw_only=True):
    """`channel`: an address, or a link to it."""

    channel: str


class FollowChannel(Question, frozen=True, tag=True, kw_only=True):
    channel: str


class UnfollowChannel(Question, frozen=True, tag=True, kw_only=True):
    channel: str


class GetProfile(Question, frozen=True, tag=True, kw_only=True):
    """The account itself."""


class ChangeProfile(Question, frozen=True, tag=True, kw_only=True):
    name: str | None = None
    about: str | None = None
    picture: bytes | None = None


class SetPresence(Question, frozen=True, tag=True, kw_only=True):
    state: Literal["online", "offline"]


class SubscribePresence(Question, frozen=True, tag=True, kw_only=True):
    """From now on, even after a reconnection, report when this person comes online and goes offline."""

    who: str


class RejectCall(Question, frozen=True, tag=True, kw_only=True):
    """`call`: the id of a call that rings now."""

    call: str


ANSWERS: dict[type[Question], Any] = {
    ListContacts: list[ContactEntry],
    GetContact: ContactEntry,
    GetPicture: Picture | None,
    CheckNumbers: list[NumberCheck],
    SetBlocked: None,
    SetTimer: None,
    ListBlocked: list[str],
    ListGroups: list[Group],
    GetGroup: Group,
    CreateGroup: Group,
    ChangeGroup: Group,
    LeaveGroup: None,
    ChangeParticipants: list[Participant],
    ListJoinRequests: list[Participant],
    GetInvite: str,
    JoinGroup: str,
    PreviewGroup: Group,
    ListChannels: list[Channel],
    GetChannel: Channel,
    FollowChannel: Channel,
    UnfollowChannel: None,
    GetProfile: Profile,
    ChangeProfile: Profile,
    SetPresence: None,
    SubscribePresence: None,
    RejectCall: None,
}
"""The type of the answer to each question."""

QUESTIONS = tuple(ANSWERS)
CHANGES = (
    SetBlocked,
    SetTimer,
    CreateGroup,
    ChangeGroup,
    LeaveGroup,
    ChangeParticipants,
    JoinGroup,
    FollowChannel,
    UnfollowChannel,
    ChangeProfile,
    RejectCall,
)
"""Questions that change something: one without an answer may still have been carried out."""
