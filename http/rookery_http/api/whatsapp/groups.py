"""Groups: lists, members, settings and changes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from rookery.model import directory
from rookery.model.key import Scope

from ...call_table import Answer, call
from ...output import directory_views as views
from ...output.problems import invalid
from ..state import Api
from .asking import PICTURE_BODY, PROBLEMS, Address, Picture, ask

TAG = "groups"
CHANGES = ("add", "remove", "promote", "demote")

GroupName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
People = Annotated[list[Address], msgspec.Meta(min_length=1, max_length=200)]
Link = Annotated[
    str,
    msgspec.Meta(
        min_length=10,
        max_length=200,
        description="an invitation, or the code in it",
        examples=["AbCdEfGhIjKlMnOpQrStUv"],
    ),
]


class NewGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`community` makes a community; `parent` makes a group in one."""

    name: GroupName
    participants: Annotated[list[Address], msgspec.Meta(max_length=200)] = []
    community: bool = False
    parent: Address | None = None


class ChangeGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Absent fields stay as they are."""

    name: GroupName | None = None
    description: Annotated[str, msgspec.Meta(max_length=2048, description="an empty one removes it")] | None = None
    only_admins_send: bool | None = None
    only_admins_edit: bool | None = None
    expires_in: Annotated[int, msgspec.Meta(ge=0, le=90 * 86_400, description="seconds; 0: messages stay")] | None = (
        None
    )
    picture: Picture | None = None


class ChangeParticipants(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One or more of the four."""

    add: People | msgspec.UnsetType = msgspec.UNSET
    remove: People | msgspec.UnsetType = msgspec.UNSET
    promote: People | msgspec.UnsetType = msgspec.UNSET
    demote: People | msgspec.UnsetType = msgspec.UNSET


class JoinGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An invite link."""

    link: Link


class PreviewGroup(msgspec.Struct, frozen=True, kw_only=True):
    """An invite link."""

    link: Link


@call("GET", "/v1/sessions/{id}/groups", tag=TAG, answers={200: views.GroupList}, problems=PROBLEMS, scope=Scope.READ)
async def list_groups(api: Api, id: str) -> Answer:
    """List the groups that the account is in; `kind` tells communities and their announcement groups apart."""
    found = await ask(api, id, directory.ListGroups())
    return Answer(views.GroupList([views.Group.of(each) for each in found]))


@call("POST", "/v1/sessions/{id}/groups", tag=TAG, answers={200: views.Group}, problems=PROBLEMS, scope=Scope.SEND)
async def create_group(api: Api, id: str, *, body: NewGroup) -> Answer:
    """Create a group or a community."""
    question = directory.CreateGroup(
        name=body.name, participants=body.participants, community=body.community, parent=body.parent
    )
    return Answer(views.Group.of(await ask(api, id, question)))


@call(
    "GET", "/v1/sessions/{id}/groups/preview", tag=TAG, answers={200: views.Group}, problems=PROBLEMS, scope=Scope.READ
)
async def preview_group(api: Api, id: str, *, query: PreviewGroup) -> Answer:
    """Show the group that a link leads to, without joining it."""
    return Answer(views.Group.of(await ask(api, id, directory.PreviewGroup(link=query.link))))


@call(
    "POST", "/v1/sessions/{id}/groups/join", tag=TAG, answers={200: views.Joined}, problems=PROBLEMS, scope=Scope.SEND
)
async def join_group(api: Api, id: str, *, body: JoinGroup) -> Answer:
    """Join a group by its link."""
    return Answer(views.Joined(await ask(api, id, directory.JoinGroup(link=body.link))))


@call(
    "GET", "/v1/sessions/{id}/groups/{chat}", tag=TAG, answers={200: views.Group}, problems=PROBLEMS, scope=Scope.READ
)
async def get_group(api: Api, id: str, *, chat: str) -> Answer:
    """Show one group with its participants and settings."""
    return Answer(views.Group.of(await ask(api, id, directory.GetGroup(chat=chat))))


@call(
    "PATCH",
    "/v1/sessions/{id}/groups/{chat}",
    tag=TAG,
    answers={200: views.Group},
    problems=PROBLEMS,
    small_body=PICTURE_BODY,
    scope=Scope.SEND,
)
async def update_group(api: Api, id: str, *, chat: str, body: ChangeGroup) -> Answer:
    """Change a group's name, description, picture or settings. The account has to be an admin there."""
    fields: dict[str, Any] = msgspec.structs.asdict(body)
    return Answer(views.Group.of(await ask(api, id, directory.ChangeGroup(chat=chat, **fields))))


@call(
    "DELETE",
    "/v1/sessions/{id}/groups/{chat}",
    tag=TAG,
    answers={200: views.Left},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def leave_group(api: Api, id: str, *, chat: str) -> Answer:
    """Leave a group."""
    await ask(api, id, directory.LeaveGroup(chat=chat))
    return Answer(views.Left(chat, True))


@call(
    "POST",
    "/v1/sessions/{id}/groups/{chat}/participants",
    tag=TAG,
    answers={200: views.ParticipantList},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def change_participants(api: Api, id: str, *, chat: str, body: ChangeParticipants) -> Answer:
    """Add or remove people, or make them admins or ordinary members. Each person in the answer may have an error."""
    changes = [(change, people) for change in CHANGES if (people := getattr(body, change)) is not msgspec.UNSET]
    if not changes:
        raise invalid(f"one of {', '.join(CHANGES)} is needed", "add")
    answers = []
    for change, people in changes:
        question = directory.ChangeParticipants(chat=chat, change=change, participants=people)  # type: ignore[arg-type]
        answers += await ask(api, id, question)
    return Answer(views.ParticipantList(answers))


@call(
    "GET",
    "/v1/sessions/{id}/groups/{chat}/requests",
    tag=TAG,
    answers={200: views.ParticipantList},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def list_join_requests(api: Api, id: str, *, chat: str) -> Answer:
    """List the people who ask to join a group. The library cannot admit them; the phone can."""
    return Answer(views.ParticipantList(await ask(api, id, directory.ListJoinRequests(chat=chat))))


@call(
    "GET",
    "/v1/sessions/{id}/groups/{chat}/invite",
    tag=TAG,
    answers={200: views.Invite},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def get_invite(api: Api, id: str, *, chat: str) -> Answer:
    """Show the link with which people join a group."""
    return Answer(views.Invite(await ask(api, id, directory.GetInvite(chat=chat))))


@call(
    "DELETE",
    "/v1/sessions/{id}/groups/{chat}/invite",
    tag=TAG,
    answers={200: views.Invite},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def reset_invite(api: Api, id: str, *, chat: str) -> Answer:
    """Revoke the link with which people join a group; the answer has the new one."""
    return Answer(views.Invite(await ask(api, id, directory.GetInvite(chat=chat, reset=True))))
