"""What a client has received, on its way into the event log."""

from __future__ import annotations

import hashlib

import msgspec

from rookery.model.event import NewEvent
from rookery.model.message import MessageState
from rookery.provider.contract import Inbox

from ..protocol import Happened
from ..workers.port import ClientPort
from .outbound import QUOTE, Known, Memory

STATES = {"delivered": MessageState.DELIVERED, "read": MessageState.READ, "played": MessageState.READ}


def named_vote(body: bytes, memory: Memory) -> bytes:
    """The body of a vote with `options`, the chosen ones by name; null when the vote or its poll is not known here."""
    vote = msgspec.json.decode(body)
    poll, chosen, names = memory.get(vote["message_id"]), vote.get("option_hashes"), None
    if poll is not None and poll.options and chosen is not None:
        names = [option for option in poll.options if hashlib.sha256(option.encode()).hexdigest() in chosen]
    return msgspec.json.encode(vote | {"options": names})


class Receiver:
    """Stores one event at a time: the client waits with the next one until it is told."""

    def __init__(self, inbox: Inbox, memory: Memory) -> None:
        self._inbox = inbox
        self._memory = memory
        self._unfinished: Happened | None = None
        self._refusing = False

    def refuse(self) -> None:
        """The account is not the session's: from now on nothing of what it receives is kept."""
        self._refusing = True

    async def store(self, port: ClientPort, frame: Happened) -> None:
        """Commit an event, then let the client go on. A commit that was cancelled or failed is repeated by `finish`."""
        if self._refusing:
            port.stored(frame.number)
            return
        self._unfinished = frame
        content = named_vote(frame.body, self._memory) if frame.type == "poll_vote" else frame.body
        event = NewEvent(frame.key, frame.type, frame.time, frame.chat, frame.sender, content, frame.raw)
        await self._inbox.commit([event], None)
        self._unfinished = None
        port.stored(frame.number)
        self._inbox.beat()
        if frame.type == "message":
            body = msgspec.json.decode(frame.body)
            sender = body["sender"]
            author = (sender["lid"] if body["chat_type"] == "group" else None) or sender["id"]
            options = tuple(body["poll"]["options"]) if "poll" in body else ()
            self._memory.keep(body["message_id"], Known(author, body["text"][:QUOTE], body["from_me"], options))
        elif frame.type == "receipt":
            body = msgspec.json.decode(frame.body)
            if state := STATES.get(body["receipt"]):
                await self._inbox.confirm(body["message_ids"], state)

    async def finish(self, port: ClientPort) -> None:
        """Store what a cancellation left half done."""
        if self._unfinished is not None:
            await self.store(port, self._unfinished)
