"""Writes the events that a client receives to the event log."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import trio

from rookery.errors import DutyLost, LeaseLost, ProviderError, SendError, StoreUnavailable, printable
from rookery.log import get_logger
from rookery.model.event import NewEvent
from rookery.model.message import MessageState
from rookery.provider.contract import Inbox

from ..device.devices import DeviceStore
from ..memory import QUOTE, ChatNames, Facts, Known, Memory
from ..protocol import Happened, Notice
from ..worker_pool.port import ClientPort
from .encrypted import Opener
from .history import HistoryReader
from .recall import recalled

MOST_PRESENCES = 500
"""Maximum number of people of one session to whose presence each new connection subscribes again."""

HISTORY = "history"
"""The type of a frame with slices of history, which stay stored beside the device's keys until they are read."""

KEEPING = 0.5  # seconds between attempts to store slices

ATTEMPTS = 3
"""Attempts to store an event that the engine refuses because of a defect; then an `unknown` event takes its place."""

STATES = {"delivered": MessageState.DELIVERED, "read": MessageState.READ, "played": MessageState.READ}

log = get_logger("SESSION")


def named_vote(vote: dict[str, Any], options: Sequence[str]) -> None:
    """Set the vote's `options`: the names of the chosen options; null when the vote or its poll is not known."""
    chosen = vote.get("option_hashes")
    if chosen is None or (chosen and not options):
        vote["options"] = None
    else:
        vote["options"] = [option for option in options if hashlib.sha256(option.encode()).hexdigest() in chosen]


def note_unstored(session: str, ended: Notice) -> None:
    """Log the fate of events that the client could not hand over before it ended."""
    if kept := ended.detail.get("kept"):
        log.warning("received events wait on disk until the session is opened here again", session=session, events=kept)
    if lost := ended.detail.get("lost"):
        log.error("received events are lost: neither the store nor the disk took them", session=session, events=lost)


class Receiver:
    """Stores one event at a time: the client holds the next one until this one is durable."""

    def __init__(
        self, session: str, inbox: Inbox, memory: Memory, facts: Facts, opener: Opener, devices: DeviceStore
    ) -> None:
        self._inbox = inbox
        self._devices = devices
        self._turn = trio.Lock()  # events and facts are committed in one order
        self.history = HistoryReader(session, devices, self.store_history)
        self._memory = memory
        self._facts = facts
        self._names = ChatNames(facts)
        self._opener = opener
        self._unfinished: Happened | None = None
        self.takes_statuses = True
        """Whether status broadcasts become events."""
        self._refusing = False

    def refuse(self) -> None:
        """Drop everything from now on: the account is not the session's."""
        self._refusing = True

    async def store(self, port: ClientPort, frame: Happened) -> None:
        """Commit an event, then let the client continue. `finish` repeats a commit that was cancelled or failed."""
        if self._refusing:
            port.stored(frame.number)
            return
        self._unfinished = frame
        stored: tuple[NewEvent, dict[str, Any]] | None = None
        try:
            stored = await self._store(port, frame)
        except (StoreUnavailable, LeaseLost, DutyLost):
            raise
        except Exception as error:
            await self._give_up(frame, error)
        self._unfinished = None
        port.stored(frame.number)
        if stored is not None:
            await self._after(*stored)

    async def _store(self, port: ClientPort, frame: Happened) -> tuple[NewEvent, dict[str, Any]] | None:
        """The event and its body; None when the frame does not become an event here."""
        if frame.type == HISTORY:
            await self._keep_history(frame)
            return None
        body: dict[str, Any] = msgspec.json.decode(frame.body)
        if body.get("chat_type") == "status" and not self.takes_statuses:
            return None
        event, named = await self._event(port, frame, body)
        async with self._turn:
            await self._inbox.commit([event], self._facts.write() if named else None)
        return event, body

    async def _after(self, event: NewEvent, body: dict[str, Any]) -> None:
        self._inbox.beat()
        if event.type == "message":
            self._remember(body)
        elif event.type == "call" and body["state"] == "offered":
            self._memory.rings(body["call_id"], body["origin"])
        elif event.type == "receipt" and (state := STATES.get(body["receipt"])):
            await self._inbox.confirm(body["message_ids"], state)

    async def _give_up(self, frame: Happened, error: Exception) -> None:
        """After the last attempt, store an `unknown` event with the reason instead. Before that, raise `error`: the next link
        tries again."""
        reason = printable(f"{type(error).__name__}: {error}")
        attempts = self._memory.refused(frame.key)
        log.error(
            "an event cannot be stored", session=self._opener.session, type=frame.type, attempts=attempts, error=reason
        )
        if attempts < ATTEMPTS:
            raise error
        key = f"unknown:refused:{hashlib.sha256(frame.key.encode()).hexdigest()[:32]}"
        body = msgspec.json.encode({"kind": frame.type, "reason": reason})
        raws = [b"null"] if frame.type == HISTORY else [frame.raw, b"null"]
        for raw in raws:
            try:
                async with self._turn:
                    await self._inbox.commit([NewEvent(key, "unknown", frame.time, None, None, body, raw)], None)
            except (StoreUnavailable, LeaseLost, DutyLost):
                raise
            except Exception:
                if raw is raws[-1]:
                    raise
            else:
                return

    async def _keep_history(self, frame: Happened) -> None:
        """Store slices. As with a commit, an unavailable store delays the client, but nothing is lost."""
        slices = msgspec.msgpack.decode(frame.raw, type=list[bytes])
        while True:
            try:
                await self._devices.keep_history(self._opener.session, slices)
            except ProviderError as error:
                log.error("the history could not be stored yet", session=self._opener.session, error=str(error))
                await trio.sleep(KEEPING)
            else:
                break
        self.history.came()

    async def store_history(self, events: Sequence[NewEvent]) -> None:
        """Commit events of the phone's history, with chats named as for messages."""
        stored, named = [], False
        for event in events:
            body: dict[str, Any] = msgspec.json.decode(event.body)
            body.setdefault("sender", {})
            named |= self._names.name(body)
            chat, sender = event.chat, event.sender
            if body.get("chat_type") == "private":
                chat = (body.get("chat") or {}).get("id") or chat
                if not body.get("from_me"):
                    sender = body["sender"].get("id") or sender
            if not body["sender"]:
                del body["sender"]
            stored.append(msgspec.structs.replace(event, chat=chat, sender=sender, body=msgspec.json.encode(body)))
        async with self._turn:
            await self._inbox.commit(stored, self._facts.write() if named else None)

    async def find(self, chat: str, id: str) -> None:
        """Bring an earlier message back into memory: from the log or, if that has lost it, at least its author."""
        if await recalled(self._inbox, self._memory, chat, id) is None and (author := await self.author(id)):
            self._memory.keep(id, Known(author, "", self._opener.is_own(author)))

    async def author(self, id: str) -> str | None:
        """The sender's address of a message, if the library has kept the message's secret. Never raises."""
        with suppress(ProviderError):
            return await self._opener.author(id)
        return None

    async def _event(self, port: ClientPort, frame: Happened, body: dict[str, Any]) -> tuple[NewEvent, bool]:
        """The event to store, and whether it gave a chat its name. Modifies `body`."""
        type, raw, chat, sender = frame.type, frame.raw, frame.chat, frame.sender
        if type == "poll_vote":
            chat = (body.get("chat") or {}).get("id") or chat
            known = await recalled(self._inbox, self._memory, chat or "", body["message_id"])
            named_vote(body, known.options if known is not None else ())
        elif type == "encrypted":
            try:
                type, raw = await self._opener.open(port, body)
            except (ProviderError, SendError) as error:
                log.warning("an encrypted part could not be read", session=self._opener.session, error=str(error))
                type = self._opener.closed(body, str(error))
        named = self._names.name(body)
        if body.get("chat_type") == "private":
            chat = (body.get("chat") or {}).get("id") or chat
            if not body.get("from_me"):
                sender = (body.get("sender") or {}).get("id") or sender
        return NewEvent(frame.key, type, frame.time, chat, sender, msgspec.json.encode(body), raw), named

    def _remember(self, body: dict[str, Any]) -> None:
        sender = body["sender"]
        author = (sender["lid"] if body["chat_type"] == "group" else None) or sender["id"] or ""
        options = tuple(body["poll"].get("options", ())) if isinstance(body.get("poll"), dict) else ()
        self._memory.keep(
            body["message_id"], Known(author, str(body["text"])[:QUOTE], bool(body["from_me"]), options, body["kind"])
        )

    @property
    def presences(self) -> Sequence[str]:
        """People to whose presence the session subscribed."""
        return self._facts.presences

    @property
    def facts(self) -> Facts:
        """The state that the session needs after a restart; `save_facts` stores it."""
        return self._facts

    async def save_facts(self) -> None:
        """Store the facts. Raises StoreError."""
        async with self._turn:
            await self._inbox.commit([], self._facts.write())

    async def subscribe_presence(self, person: str) -> None:
        """Remember a subscription across connections and restarts. Raises StoreError."""
        if person not in self._facts.presences:
            self._facts.presences.append(person)
            del self._facts.presences[:-MOST_PRESENCES]
            async with self._turn:
                await self._inbox.commit([], self._facts.write())

    async def finish(self, port: ClientPort) -> None:
        """Complete a commit that a cancellation interrupted."""
        if self._unfinished is not None:
            await self.store(port, self._unfinished)
