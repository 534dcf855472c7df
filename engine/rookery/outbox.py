"""The queue of one session's sends: in order per chat, several chats at once, fair between chats (F4).

The backlog is rows; in memory are only the messages of the current window. A message is stored as SENDING before its first
byte leaves, so that a crash in between is told as `unknown` and never repeated silently. No task exists while nothing is to
be sent: a chat with messages has one task that drains it and ends.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol, runtime_checkable

import trio

from .errors import LeaseLost, StoreError
from .log import get_logger
from .model import Lease, MessageState, OutboundMessage
from .provider import Concurrent, Link
from .sending import RETRY_DELAY, RETRY_DELAY_MAX, Pause, Sender
from .store import MessageStore

WINDOW = 512
"""Messages of one session held in memory at most."""

DEFAULT_CONCURRENCY = 16

log = get_logger("SESSION")


@runtime_checkable
class Paced(Protocol):
    """A link whose platform wants pauses between messages."""

    def ready_in(self, chat: str) -> float:
        """Seconds until the next message to this chat may leave; 0 when it may leave now."""

    def book(self, chat: str) -> float:
        """Take the next turn of this chat; returns the seconds until it comes."""


class _Item:
    """A message in the window. `begun`: its row says SENDING."""

    __slots__ = ("attempts", "begun", "message")

    def __init__(self, message: OutboundMessage) -> None:
        self.message = message
        self.begun = message.state is MessageState.SENDING
        self.attempts = 0


class Outbox:
    """Belongs to the session's task, which attaches it to each link in turn."""

    def __init__(self, lease: Lease, store: MessageStore, sender: Sender) -> None:
        self._lease = lease
        self._store = store
        self._sender = sender
        self._link: Link | None = None
        self._paced: Paced | None = None
        self._nursery: trio.Nursery | None = None
        self._slots = trio.Semaphore(0)
        self._chats: dict[str, deque[_Item]] = {}
        self._known: set[str] = set()  # ids of the window
        self._stranded: list[str] = []  # rows that say SENDING though nothing left
        self._more = True  # rows may wait that are not in the window
        self._loading = False
        self._paused_until = -float("inf")

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: send what waits. The nursery is the link's own and ends with it."""
        self._link = link
        self._paced = link if isinstance(link, Paced) else None
        self._nursery = nursery
        self._slots = trio.Semaphore(link.max_concurrent_sends if isinstance(link, Concurrent) else DEFAULT_CONCURRENCY)
        self._more = True
        self._load_soon()

    def detach(self) -> None:
        """The link goes away: begin nothing more."""
        self._link = None
        self._nursery = None
        self._sender.hurry()

    async def settle(self) -> None:
        """After the last link: put back what was reserved and never left. Bounded by the caller."""
        await self._put_back()

    def reserve(self, chat: str) -> bool:
        """Try to keep the next place in `chat` for a message that is about to be stored.

        True: it would leave at once, so it may be stored as SENDING right away (one write less); `accept` or `unreserve`
        must follow. False: store it as QUEUED.
        """
        if (
            self._link is None
            or self._more
            or chat in self._chats
            or self._slots.value < 1
            or self._paused_until > trio.current_time()
            or (self._paced is not None and self._paced.ready_in(chat) > 0)
        ):
            return False
        if self._paced is not None:
            self._paced.book(chat)
        self._chats[chat] = deque()
        return True

    def unreserve(self, chat: str) -> None:
        """The message was not stored after all."""
        self._start(chat)

    def accept(self, message: OutboundMessage, *, reserved: bool = False) -> None:
        """A message was stored just now."""
        item = _Item(message)
        if reserved:
            self._known.add(message.id)
            self._chats[message.to].appendleft(item)
            self._start(message.to)
        elif self._link is None or self._more or len(self._known) >= WINDOW:
            self._more = True
            self._load_soon()
        else:
            self._add(item)

    def wake(self) -> None:
        """Rows may have been stored by somebody else."""
        self._more = True
        self._load_soon()

    def _add(self, item: _Item) -> None:
        self._known.add(item.message.id)
        chat = item.message.to
        if chat in self._chats:
            self._chats[chat].append(item)
        else:
            self._chats[chat] = deque((item,))
            self._start(chat)

    def _start(self, chat: str) -> None:
        queue = self._chats[chat]
        if queue and self._nursery is not None:
            self._nursery.start_soon(self._drain, chat, queue)
        else:
            self._drop(chat, queue)

    def _drop(self, chat: str, queue: deque[_Item]) -> None:
        """Forget a chat's place in the window; its rows are read again when there is room or a link."""
        if self._chats.get(chat) is queue:
            del self._chats[chat]
        if queue:
            self._more = True
            self._known.difference_update(item.message.id for item in queue)
            self._stranded.extend(item.message.id for item in queue if item.begun)
        self._load_soon()

    def _load_soon(self) -> None:
        if self._nursery is not None and self._more and not self._loading and len(self._known) <= WINDOW // 2:
            self._loading = True
            self._nursery.start_soon(self._load)

    async def _load(self) -> None:
        delay = RETRY_DELAY
        try:
            while self._more and self._nursery is not None and len(self._known) <= WINDOW // 2:
                try:
                    await self._put_back()
                    self._more = False  # what is stored from here on is announced by `accept` or `wake`
                    rows = await self._store.pending_messages(self._lease, exclude=self._known, limit=WINDOW)
                except LeaseLost:
                    raise
                except StoreError as error:
                    self._more = True
                    log.warning("waiting sends could not be read", session=self._lease.session, error=str(error))
                    await trio.sleep(delay)
                    delay = min(2 * delay, RETRY_DELAY_MAX)
                    continue
                self._more = self._more or len(rows) == WINDOW
                for row in rows:
                    if row.id not in self._known:
                        self._add(_Item(row))
        finally:
            self._loading = False

    async def _put_back(self) -> None:
        while self._stranded:
            if not await self._sender.record(self._stranded[-1], MessageState.QUEUED):
                break
            self._stranded.pop()

    async def _wait_turn(self, chat: str) -> None:
        """The turn is booked before the wait, so that those who wait together leave one after another."""
        if self._paced is not None and (delay := self._paced.book(chat)) > 0:
            await trio.sleep(delay)
        while (pause := self._paused_until - trio.current_time()) > 0:
            await trio.sleep(pause)

    async def _drain(self, chat: str, queue: deque[_Item]) -> None:
        try:
            while queue:
                item = queue[0]
                if not item.begun:
                    await self._wait_turn(chat)
                try:
                    self._slots.acquire_nowait()
                except trio.WouldBlock:
                    await self._slots.acquire()
                try:
                    link = self._link
                    if link is None:
                        return
                    pause = await self._send(link, item)
                finally:
                    self._slots.release()
                if pause is None:
                    self._known.discard(queue.popleft().message.id)
                else:
                    await trio.sleep(pause)
        finally:
            self._drop(chat, queue)

    async def _send(self, link: Link, item: _Item) -> float | None:
        """None when the message is done with, otherwise the seconds to wait before it is tried again."""
        message = item.message
        if not item.begun:
            if message.expires_at <= self._sender.now():
                await self._sender.record(
                    message.id, MessageState.EXPIRED, "its time to live ended before it could be sent"
                )
                return None
            if not await self._sender.record(message.id, MessageState.SENDING):
                return RETRY_DELAY
            item.begun = True
            if self._link is not link:  # it went away meanwhile; nothing has left, `_drop` puts the row back
                return 0.0
        outcome = await self._sender.attempt(link, message, item.attempts)
        if not isinstance(outcome, Pause):
            item.begun = False  # whatever happens to the write below, it is not to be sent again
            await self._sender.record(message.id, outcome)
            return None
        item.attempts += 1
        if outcome.whole_session:
            self._paused_until = max(self._paused_until, trio.current_time() + outcome.delay)
        item.begun = not await self._sender.record(message.id, MessageState.QUEUED, outcome.error)
        return outcome.delay
