"""People: whom the account knows, who has WhatsApp, and who is blocked."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.model import directory
from rookery.model.key import Scope

from ...call_table import Answer, call
from ...output import directory_views as views
from ..state import Api
from .asking import PROBLEMS, ask

TAG = "contacts"


class FindContacts(msgspec.Struct, frozen=True, kw_only=True):
    """Which of them."""

    q: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=100, description="part of a name, a number or an address")]
        | None
    ) = None


class CheckPhones(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Numbers with their country codes."""

    phones: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=5, max_length=32)]], msgspec.Meta(min_length=1, max_length=500)
    ]


class SetTimer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A disappearing timer. WhatsApp's apps offer 0, 86400, 604800 and 7776000."""

    expires_in: Annotated[int, msgspec.Meta(ge=0, le=90 * 86_400, description="seconds; 0: messages stay")]


@call(
    "GET",
    "/v1/sessions/{id}/contacts",
    tag=TAG,
    answers={200: views.ContactList},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def list_contacts(api: Api, id: str, *, query: FindContacts) -> Answer:
    """List the people that the account knows, by name."""
    return Answer(views.ContactList(await ask(api, id, directory.ListContacts(q=query.q))))


@call(
    "GET",
    "/v1/sessions/{id}/contacts/{who}",
    tag=TAG,
    answers={200: directory.ContactEntry},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def get_contact(api: Api, id: str, *, who: str) -> Answer:
    """Show one person: names, phone number and hidden address, about, whether blocked.

    `who` is a phone number or an address in any form.
    """
    return Answer(await ask(api, id, directory.GetContact(who=who)))


@call(
    "GET",
    "/v1/sessions/{id}/contacts/{who}/picture",
    tag=TAG,
    answers={200: views.PictureOrNone},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def get_picture(api: Api, id: str, *, who: str) -> Answer:
    """Show where the picture of a person or a group is, if there is one to see."""
    return Answer(views.PictureOrNone(await ask(api, id, directory.GetPicture(who=who))))


@call(
    "POST",
    "/v1/sessions/{id}/contacts/check",
    tag=TAG,
    answers={200: views.NumberChecks},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def check_contacts(api: Api, id: str, *, body: CheckPhones) -> Answer:
    """Check which phone numbers have an account, and under which address.

    The platform is asked in batches with pauses between them, and an answer is kept for a day (`checked_at`). `chat` may be
    another number than the one that was asked for: the platform resolves old and new forms of a country's numbers itself.
    """
    found = await ask(api, id, directory.CheckNumbers(phones=body.phones))
    return Answer(views.NumberChecks([views.NumberCheck.of(each) for each in found]))


@call(
    "PUT",
    "/v1/sessions/{id}/contacts/{who}/block",
    tag=TAG,
    answers={200: views.Blocked},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def block_contact(api: Api, id: str, *, who: str) -> Answer:
    """Block a person."""
    await ask(api, id, directory.SetBlocked(who=who, blocked=True))
    return Answer(views.Blocked(who, True))


@call(
    "DELETE",
    "/v1/sessions/{id}/contacts/{who}/block",
    tag=TAG,
    answers={200: views.Blocked},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def unblock_contact(api: Api, id: str, *, who: str) -> Answer:
    """Let a blocked person write again."""
    await ask(api, id, directory.SetBlocked(who=who, blocked=False))
    return Answer(views.Blocked(who, False))


@call(
    "PUT",
    "/v1/sessions/{id}/contacts/{who}/timer",
    tag=TAG,
    answers={200: views.Timer},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def set_timer(api: Api, id: str, *, who: str, body: SetTimer) -> Answer:
    """Let the messages of a private chat disappear after a time, on both sides.

    A group has `expires_in` among its settings.
    """
    await ask(api, id, directory.SetTimer(who=who, expires_in=body.expires_in))
    return Answer(views.Timer(who, body.expires_in))


@call(
    "GET",
    "/v1/sessions/{id}/blocked",
    tag=TAG,
    answers={200: views.BlockList},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def list_blocked(api: Api, id: str) -> Answer:
    """List the people whom the account blocks."""
    return Answer(views.BlockList(await ask(api, id, directory.ListBlocked())))
