"""The messages that a scripted phone remembers."""

from __future__ import annotations

from ..feed import LIMIT, Feed
from ..server.state.accounts import Account
from ..server.state.world import World
from ..stanza.jid import Jid
from ..stanza.node import Node
from .records import ReceivedMessage, SentMessage


class Correspondent(Account):
    """The account of a scripted phone; `postman` writes and reads its messages."""

    world: World

    def __init__(self, world: World, number: str, lid: Jid, name: str) -> None:
        super().__init__(world, number, lid, name)
        self.received: Feed[ReceivedMessage] = Feed()
        # Copies of what the own linked devices sent to others.
        self.sent_by_devices: Feed[ReceivedMessage] = Feed()
        # Peer messages of linked devices to this phone, such as requests for a message.
        self.peer_messages: Feed[ReceivedMessage] = Feed()
        self.receipts: Feed[Node] = Feed()
        self.sent: dict[str, SentMessage] = {}
        self.seen: dict[tuple[Jid, str], None] = {}
        self.members_with_key: dict[Jid, set[Jid]] = {}

    def remember(self, sender: Jid, message_id: str) -> None:
        """Remember that this message was read, so that it is not read twice."""
        self.seen[sender, message_id] = None
        if len(self.seen) > LIMIT:
            del self.seen[next(iter(self.seen))]


def correspondent(account: Account) -> Correspondent:
    """The scripted phone of an account; here, every account has one."""
    assert isinstance(account, Correspondent)
    return account
