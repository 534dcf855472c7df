"""Channels: follow them, and post to your own. Posts are ordinary messages to the channel's address."""

from __future__ import annotations

from typing import Annotated

import msgspec

from rookery.model import directory
from rookery.model.key import Scope

from ...call_table import Answer, call
from ...output import directory_views as views
from ..state import Api
from .asking import PROBLEMS, ask

TAG = "channels"


class FollowChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address or an invite link."""

    channel: Annotated[str, msgspec.Meta(min_length=10, max_length=200)]


@call(
    "GET", "/v1/sessions/{id}/channels", tag=TAG, answers={200: views.ChannelList}, problems=PROBLEMS, scope=Scope.READ
)
async def list_channels(api: Api, id: str) -> Answer:
    """List the channels that the account follows or owns."""
    return Answer(views.ChannelList(await ask(api, id, directory.ListChannels())))


@call(
    "POST",
    "/v1/sessions/{id}/channels",
    tag=TAG,
    answers={200: directory.Channel},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def follow_channel(api: Api, id: str, *, body: FollowChannel) -> Answer:
    """Follow a channel."""
    return Answer(await ask(api, id, directory.FollowChannel(channel=body.channel)))


@call(
    "GET",
    "/v1/sessions/{id}/channels/{chat}",
    tag=TAG,
    answers={200: directory.Channel},
    problems=PROBLEMS,
    scope=Scope.READ,
)
async def get_channel(api: Api, id: str, *, chat: str) -> Answer:
    """Show one channel."""
    return Answer(await ask(api, id, directory.GetChannel(channel=chat)))


@call(
    "DELETE",
    "/v1/sessions/{id}/channels/{chat}",
    tag=TAG,
    answers={200: views.Left},
    problems=PROBLEMS,
    scope=Scope.SEND,
)
async def unfollow_channel(api: Api, id: str, *, chat: str) -> Answer:
    """Stop following a channel."""
    await ask(api, id, directory.UnfollowChannel(channel=chat))
    return Answer(views.Left(chat, True))
