"""A channel (newsletter): who owns it, who follows it, and what was posted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...feed import Feed
from ...stanza.jid import Jid
from ...stanza.node import Node

SERVER = "newsletter"


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
