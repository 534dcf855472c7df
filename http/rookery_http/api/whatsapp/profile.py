"""The account itself, who is online, and incoming calls."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from rookery.model import directory
from rookery.model.key import Scope

from ...call_table import Answer, call
from ...output import directory_views as views
from ...output.problems import invalid
from ..state import Api
from .asking import PICTURE_BODY, PROBLEMS, Address, Picture, ask

TAG = "profile"


class ChangeProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Absent fields stay as they are."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=25)] | None = None
    about: Annotated[str, msgspec.Meta(max_length=139)] | None = None
    picture: Picture | None = None


class Presence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`state`: how others see the account. `subscribe`: from now on, tell when this person comes and goes."""

    state: Literal["online", "offline"] | None = None
    subscribe: Address | None = None


@call(
    "GET",
    "/v1/sessions/{id}/profile",
    tag=TAG,
    answers={200: directory.Profile},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def get_profile(api: Api, id: str) -> Answer:
    """Show the account: name, about, picture, and what it shows to whom."""
    return Answer(await ask(api, id, directory.GetProfile()))


@call(
    "PATCH",
    "/v1/sessions/{id}/profile",
    tag=TAG,
    answers={200: directory.Profile},
    problems=PROBLEMS,
    small_body=PICTURE_BODY,
    scope=Scope.MANAGE,
)
async def update_profile(api: Api, id: str, *, body: ChangeProfile) -> Answer:
    """Change the account's name, about or picture."""
    question = directory.ChangeProfile(name=body.name, about=body.about, picture=body.picture)
    return Answer(await ask(api, id, question))


@call(
    "POST",
    "/v1/sessions/{id}/presence",
    tag=TAG,
    answers={200: views.PresenceSet},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def set_presence(api: Api, id: str, *, body: Presence) -> Answer:
    """Appear online or offline, or subscribe to somebody's presence. A subscription is kept across reconnections."""
    if body.state is None and body.subscribe is None:
        raise invalid("one of state and subscribe is needed", "state")
    if body.state is not None:
        await ask(api, id, directory.SetPresence(state=body.state))
    if body.subscribe is not None:
        await ask(api, id, directory.SubscribePresence(who=body.subscribe))
    return Answer(views.PresenceSet(body.state, body.subscribe))


@call(
    "POST",
    "/v1/sessions/{id}/calls/{call}/reject",
    tag=TAG,
    answers={200: views.Rejected},
    problems=PROBLEMS | {404: "there is no such session, or no such call rings"},
    scope=Scope.SEND,
)
async def reject_call(api: Api, id: str, *, call: str) -> Answer:
    """Reject a ringing call; its id is in the `call` event."""
    await ask(api, id, directory.RejectCall(call=call))
    return Answer(views.Rejected(call, True))
