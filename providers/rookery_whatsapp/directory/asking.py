"""Turns a query about people, groups and channels into the worker's call, and its result into an answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
import trio

from rookery.errors import InvalidInput, NotFound, SendError
from rookery.model import directory as d

from ..addresses import CHANNEL, GROUP, LID, PHONE, address_of
from ..memory import Memory
from .numbers import NumberBook

GROUP_LINK = re.compile(r"\A(?:https?://chat\.whatsapp\.com/(?:invite/)?)?([A-Za-z0-9]{10,64})/?(?:\?.*)?\Z")
CHANNEL_LINK = re.compile(r"\A(?:https?://(?:www\.)?whatsapp\.com/channel/)?([A-Za-z0-9]{10,64})/?(?:\?.*)?\Z")
LONGEST_NAME, LONGEST_ABOUT, LONGEST_DESCRIPTION = 100, 139, 2048
"""Maximum characters that WhatsApp accepts: a group's name, the account's about, and a group's description."""
LONGEST_TIMER = 90 * 86_400  # seconds

Ask = Callable[..., Awaitable[Any]]
"""The form of a worker's call: a method and its arguments."""


class Directory:
    """Answers the queries of one link. `call` calls the worker, and its errors pass through. `now` is the engine's clock."""

    def __init__(
        self,
        call: Ask,
        memory: Memory,
        subscribed: Callable[[str], Awaitable[None]],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._memory = memory
        self.numbers = NumberBook(call, memory, now)
        self._subscribed = subscribed

    async def ask(self, question: d.Question) -> Any:
        """See `rookery.provider.capabilities.Directory`."""
        match question:
            case d.ListContacts(q=q):
                return _searched(await self._get("contacts", list[d.ContactEntry]), q)
            case d.GetContact(who=who):
                return await self._get("contact", d.ContactEntry, who=_person(who, "who"))
            case d.GetPicture(who=who):
                return await self._get("picture", d.Picture | None, who=address_of(who, "who"))
            case d.CheckNumbers(phones=phones):
                return await self.numbers.check(phones)
            case d.SetBlocked(who=who, blocked=blocked):
                await self._call("block", who=_person(who, "who"), blocked=blocked)
                return None
            case d.SetTimer(who=who, expires_in=seconds):
                if not 0 <= seconds <= LONGEST_TIMER:
                    raise InvalidInput(f"expires_in: 0 to {LONGEST_TIMER} seconds", field="expires_in")
                await self._call("set_timer", who=_person(who, "who"), expires_in=seconds)
                return None
            case d.ListBlocked():
                return await self._get("blocked", list[str])
            case d.GetProfile():
                return await self._get("profile", d.Profile)
            case d.ChangeProfile():
                _short(question.name, "name", 25)
                _short(question.about, "about", LONGEST_ABOUT)
                return await self._get(
                    "change_profile", d.Profile, name=question.name, about=question.about, picture=question.picture
                )
            case d.SetPresence(state=state):
                await self._call("presence", available=state == "online")
                return None
            case d.SubscribePresence(who=who):
                person = _person(who, "subscribe")
                await self._call("subscribe", who=person)
                await self._subscribed(person)
                return None
            case d.RejectCall(call=call):
                origin = self._memory.ringing.get(call)
                if origin is None:
                    raise NotFound("call", call)
                await self._call("reject_call", call=call, origin=origin)
                return None
        return await self._ask_group(question)

    async def _ask_group(self, question: d.Question) -> Any:
        match question:
            case d.ListGroups():
                return await self._get("groups", list[d.Group])
            case d.GetGroup(chat=chat):
                return await self._get("group", d.Group, chat=_group(chat))
            case d.CreateGroup():
                _short(question.name, "name", LONGEST_NAME)
                return await self._get(
                    "create_group",
                    d.Group,
                    name=question.name,
                    participants=[_person(each, "participants") for each in question.participants],
                    community=question.community,
                    parent=_group(question.parent, "parent") if question.parent is not None else None,
                )
            case d.ChangeGroup():
                _short(question.name, "name", LONGEST_NAME)
                _short(question.description, "description", LONGEST_DESCRIPTION)
                fields = msgspec.structs.asdict(question)
                return await self._get("change_group", d.Group, **fields | {"chat": _group(question.chat)})
            case d.LeaveGroup(chat=chat):
                await self._call("leave_group", chat=_group(chat))
                return None
            case d.ChangeParticipants():
                return await self._get(
                    "change_participants",
                    list[d.Participant],
                    chat=_group(question.chat),
                    change=question.change,
                    participants=[_person(each, question.change) for each in question.participants],
                )
            case d.ListJoinRequests(chat=chat):
                return await self._get("join_requests", list[d.Participant], chat=_group(chat))
            case d.GetInvite(chat=chat, reset=reset):
                return await self._get("invite", str, chat=_group(chat), reset=reset)
            case d.JoinGroup(link=link):
                return await self._get("join_group", str, link=_code(link, GROUP_LINK, "link"))
            case d.PreviewGroup(link=link):
                return await self._get("preview_group", d.Group, link=_code(link, GROUP_LINK, "link"))
        return await self._ask_channel(question)

    async def _ask_channel(self, question: d.Question) -> Any:
        match question:
            case d.ListChannels():
                return await self._get("channels", list[d.Channel])
            case d.GetChannel(channel=channel):
                return await self._get("channel", d.Channel, channel=_channel(channel))
            case d.FollowChannel(channel=channel):
                return await self._get("follow", d.Channel, channel=_channel(channel))
            case d.UnfollowChannel(channel=channel):
                await self._call("unfollow", channel=_channel(channel))
                return None
        raise InvalidInput(f"WhatsApp sessions have no answer to {type(question).__name__}", field="ask")

    async def _get(self, method: str, kind: Any, **arguments: Any) -> Any:
        return msgspec.convert(await self._call(method, **arguments), kind)

    async def resubscribe(self, presences: list[str]) -> None:
        """After a reconnection, subscribe again to the presences requested earlier. A failed subscription never raises."""
        for person in presences:
            with trio.move_on_after(10):
                with suppress(SendError):
                    await self._call("subscribe", who=person)


def _person(text: str, field: str) -> str:
    return address_of(text, field, PHONE, LID)


def _group(text: str, field: str = "chat") -> str:
    return address_of(text, field, GROUP)


def _channel(text: str) -> str:
    if text.endswith(f"@{CHANNEL}"):
        return address_of(text, "channel", CHANNEL)
    return _code(text, CHANNEL_LINK, "channel")


def _code(text: str, pattern: re.Pattern[str], field: str) -> str:
    found = pattern.fullmatch(text.strip())
    if found is None:
        raise InvalidInput(f"{field}: {text[:100]!r} is neither a WhatsApp invitation nor the code of one", field=field)
    return found[1]


def _short(text: str | None, field: str, most: int) -> None:
    if text is not None and len(text) > most:
        raise InvalidInput(f"{field}: at most {most} characters", field=field)


def _searched(contacts: list[d.ContactEntry], q: str | None) -> list[d.ContactEntry]:
    if not q:
        return contacts
    wanted = q.casefold()
    digits = re.sub(r"[^0-9]", "", q)
    return [
        each
        for each in contacts
        if any(wanted in (text or "").casefold() for text in (each.name, each.push_name, each.business_name, each.id))
        or (len(digits) > 3 and digits in (each.phone or ""))
    ]
