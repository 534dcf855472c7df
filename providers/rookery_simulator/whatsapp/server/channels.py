"""Channels (newsletters): what they are, who follows them, and posts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..feed import Feed
from ..stanza import protobufs
from ..stanza.jid import Jid
from ..stanza.node import Attrs, Node, node

if TYPE_CHECKING:
    from .linked_device import LinkedDevice
    from .world import World

SERVER = "newsletter"
FETCH, SUBSCRIBED, DEHYDRATED = "6563316087068696", "6388546374527196", "7272540469429201"
"""Ids of the client's queries; every other one that names a channel follows or unfollows it."""
UNFOLLOW = ("6392786840836363", "7238632346214362", "9767147403369991")
NOT_FOUND: dict[str, Any] = {
    "data": None,
    "errors": [
        {"message": "Not found", "extensions": {"error_code": 404, "is_retryable": False, "severity": "WARNING"}}
    ],
}


@dataclass
class Channel:
    """Made by `WhatsAppSimulator.channel`."""

    jid: Jid
    name: str
    description: str
    created: int
    owner: str = ""  # number
    followers: set[str] = field(default_factory=set)  # numbers
    posts: Feed[Node] = field(default_factory=Feed)  # as devices wrote them
    last_post: int = 0

    def describe(self, number: str) -> dict[str, Any]:
        """The channel as GraphQL shows it to the account with this number."""
        role = "OWNER" if number == self.owner else "SUBSCRIBER" if number in self.followers else "GUEST"
        text = {"id": "1", "update_time": str(self.created * 1_000_000)}
        return {
            "id": str(self.jid),
            "state": {"type": "ACTIVE"},
            "thread_metadata": {
                "creation_time": str(self.created),
                "invite": f"0029Va{self.jid.user}",
                "name": text | {"text": self.name},
                "description": text | {"text": self.description},
                "subscribers_count": str(len(self.followers)),
                "verification": "UNVERIFIED",
                "picture": None,
                "preview": {"id": "", "type": "PREVIEW", "direct_path": ""},
                "settings": {"reaction_codes": {"value": "ALL"}},
            },
            "viewer_metadata": {"mute": "OFF", "role": role},
        }

    def post(self, world: World, text: str) -> str:
        """Write a post; followers' devices get it. Returns its id."""
        self.last_post += 1
        id = world.new_id()
        plain = protobufs.messages().Message(conversation=text).SerializeToString()
        attrs: Attrs = {"from": self.jid, "id": id, "server_id": self.last_post, "type": "text", "t": world.now()}
        for number in self.followers:
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
