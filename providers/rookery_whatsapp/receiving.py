"""What a client has received, on its way into the event log."""

from __future__ import annotations

import msgspec

from rookery.model import MessageState, NewEvent
from rookery.provider import Inbox

from .outbound import QUOTE, Known, Memory
from .port import ClientPort
from .protocol import Happened

STATES = {"delivered": MessageState.DELIVERED, "read": MessageState.READ, "played": MessageState.READ}


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
        event = NewEvent(frame.key, frame.type, frame.time, frame.chat, frame.sender, frame.body, frame.raw)
        await self._inbox.commit([event], None)
        self._unfinished = None
        port.stored(frame.number)
        self._inbox.beat()
        if frame.type == "message":
            body = msgspec.json.decode(frame.body)
            sender = body["sender"]
            author = (sender["lid"] if body["chat_type"] == "group" else None) or sender["id"]
            self._memory.keep(body["message_id"], Known(author, body["text"][:QUOTE], body["from_me"]))
        elif frame.type == "receipt":
            body = msgspec.json.decode(frame.body)
            if state := STATES.get(body["receipt"]):
                await self._inbox.confirm(body["message_ids"], state)

    async def finish(self, port: ClientPort) -> None:
        """Store what a cancellation left half done."""
        if self._unfinished is not None:
            await self.store(port, self._unfinished)
