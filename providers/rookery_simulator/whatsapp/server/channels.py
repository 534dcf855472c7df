"""Queries about channels (newsletters), and posts in them."""

from __future__ import annotations

from typing import Any

from ..stanza import protobufs
from ..stanza.node import Attrs, node
from .state.accounts import LinkedDevice
from .state.channel import Channel
from .state.world import World

FETCH, SUBSCRIBED, DEHYDRATED = "6563316087068696", "6388546374527196", "7272540469429201"
"""Ids of the client's queries; every other one that names a channel follows or unfollows it."""
UNFOLLOW = ("6392786840836363", "7238632346214362", "9767147403369991")
NOT_FOUND: dict[str, Any] = {
    "data": None,
    "errors": [
        {"message": "Not found", "extensions": {"error_code": 404, "is_retryable": False, "severity": "WARNING"}}
    ],
}


def post(world: World, channel: Channel, text: str) -> str:
    """Write a post; followers' devices get it. Returns its id."""
    channel.last_post += 1
    id = world.new_id()
    plain = protobufs.messages().Message(conversation=text).SerializeToString()
    attrs: Attrs = {"from": channel.jid, "id": id, "server_id": channel.last_post, "type": "text", "t": world.now()}
    for number in channel.followers:
        for device in world.phones[number].devices.values():
            device.tell(node("message", attrs, [node("plaintext", {}, plain)]))
    return id


def answer(world: World, device: LinkedDevice, query_id: str, variables: dict[str, Any]) -> Any:
    """The data of a query about channels; None for an unknown channel."""
    number = device.phone.number
    if query_id == SUBSCRIBED:
        own = [each.describe(number) for each in world.channels.values() if number in each.followers | {each.owner}]
        return {"xwa2_newsletter_subscribed": own}
    if isinstance(given := variables.get("input"), dict) and "key" in given:
        channel = _find(world, str(given["key"]))
        return None if channel is None else {"xwa2_newsletter": channel.describe(number)}
    channel = _find(world, str(variables.get("newsletter_id", "")))
    if channel is None:
        return None
    if query_id in UNFOLLOW:
        channel.followers.discard(number)
        return {"xwa2_newsletter_leave_v2": {"id": str(channel.jid), "state": {"type": "ACTIVE"}}}
    channel.followers.add(number)
    return {"xwa2_newsletter_join_v2": channel.describe(number)}


def _find(world: World, key: str) -> Channel | None:
    return next((each for each in world.channels.values() if key in (str(each.jid), f"0029Va{each.jid.user}")), None)
