"""The queue of one session's sends: in order per chat, several chats at once, fair between chats (F4).

The backlog is rows; in memory are only the messages of the current window. A message is stored as SENDING before its first
byte leaves, so that a crash in between is told as `unknown` and never repeated silently. No task exists while nothing is to
be sent: a chat with messages has one task that drains it and ends.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import trio

from ..errors import LeaseLost, StoreError
from ..log import get_logger
from ..model.content import Content
from ..model.message import MessageState, OutboundMessage, SendOutcome, Unfinished
from ..model.session import Lease
from ..provider.capabilities import Concurrent
from ..provider.contract import Link
from ..store.contract.messages import MessageStore
from .sender import RETRY_DELAY, RETRY_DELAY_MAX, Begun, Pause, Sender
from .turns import Turns

WINDOW = 512
"""Messages of one session held in memory, about."""

CHAT_WINDOW = 128
"""Of these, messages of one chat: a long backlog of one chat leaves room for the others."""

UNSTORED = 1000
"""Ids remembered of messages whose storing was given up."""

CHAT_LOW = 32
"""A chat with more rows than its part of the window is read again when so few are left of it."""

DEFAULT_CONCURRENCY = 16

log = get_logger("SESSION")


class _Item:
    """A message in the window.

    `begun`: its row says SENDING and nothing has left. `doubtful`: the row may say so, the store did not tell.
    `outcome`: what became of it, as long as that is not stored.
    """

    __slots__ = ("attempts", "begun", "doubtful", "message", "outcome")

    def __init__(self, message: OutboundMessage) -> None:
        self.message = message
        self.begun = message.state is MessageState.SENDING
        self.doubtful = False
        self.outcome: SendOutcome | None = None
        self.attempts = 0


class Outbox:
    """Belongs to the session's task, which attaches it to each link in turn."""

    def __init__(self, lease: Lease, store: MessageStore, sender: Sender) -> None:
        self._lease = lease
        self._store = store
        self._sender = sender
        self._link: Link | None = None
        self._nursery: trio.Nursery | None = None
        self._slots = trio.Semaphore(0)
        self._chats: dict[str, deque[_Item]] = {}
        self._known: set[str] = set()  # ids of the window
        self._awaited: set[str] = set()  # ids that are being stored as QUEUED
        self._reserving: set[str] = set()  # ids that are being stored as SENDING
        self._unstored: OrderedDict[str, None] = OrderedDict()  # ids that were given up while they were being stored
        self._suspects: set[str] = set()  # ids that were SENDING and not in hand at the last `reconcile`
        self._outside: set[str] = set()  # chats with rows that are not in the window
        self._more = True  # such rows may be of any chat
        self._owed: list[SendOutcome] = []  # states that rows should have: outcomes, and QUEUED where nothing left
        self._reserved = 0  # places kept for messages that are being stored
        self._unreserved = trio.Event()
        self._loading = False
        self._turns = Turns()

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: send what waits. The nursery is the link's own and ends with it."""
        self._link = link
        self._turns.attach(link)
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
        """After the last link: store what is not stored yet. Bounded by the caller."""
        while self._reserved:
            await self._unreserved.wait()
        await self._pay()

    def reserve(self, id: str, chat: str, content: Content) -> bool:
        """A message is about to be stored: try to keep the next place in its chat. `accept` or `withdraw` must follow.

        True: it would leave at once, so it may be stored as SENDING right away (one write less). False: store it as QUEUED.
        """
        if (
            self._link is None
            or self._more
            or self._loading
            or chat in self._chats
            or chat in self._outside
            or self._slots.value <= self._reserved
            or not self._turns.take_now(chat, content)
        ):
            self._awaited.add(id)
            return False
        self._chats[chat] = deque()
        self._reserved += 1
        self._reserving.add(id)
        return True

    def withdraw(self, id: str, chat: str, *, reserved: bool) -> None:
        """The message was not stored after all."""
        self._awaited.discard(id)
        self._reserving.discard(id)
        if reserved:
            self._give_back()
            self._start(chat)

    def accept(self, message: OutboundMessage, *, reserved: bool) -> None:
        """The message was stored just now."""
        if reserved:
            self._give_back()
            self._reserving.discard(message.id)
            self._known.add(message.id)
            self._chats[message.to].appendleft(_Item(message))
            self._start(message.to)
            return
        if message.id not in self._awaited:
            return  # its row was found before its caller could tell
        self._awaited.discard(message.id)
        if self._link is None or self._more or self._loading:
            self._more = True
            self._load_soon()
        elif message.to in self._outside or not self._has_room(message.to):
            self._outside.add(message.to)
        else:
            self._add(_Item(message))

    def doubt(self, id: str) -> None:
        """A message may have been stored, or may yet be; the store did not tell. It is sent as soon as it is found."""
        self._unstored[id] = None
        if len(self._unstored) > UNSTORED:
            self._unstored.popitem(last=False)
        self._owed.append(SendOutcome(id=id, state=MessageState.QUEUED, at=self._sender.now()))
        self._more = True
        self._load_soon()

    def wake(self) -> None:
        """Rows may have been stored by somebody else."""
        self._more = True
        self._load_soon()

    async def reconcile(self, stored: Unfinished) -> None:
        """`stored` is what the store has of this session: take care of what should be in hand here and is not. Connected or
        not. Raises StoreError."""
        missing = set(stored.sending) - self._known - self._reserving - {outcome.id for outcome in self._owed}
        # Twice in a row, because the store may have been read a moment before its row changed.
        strays, self._suspects = missing & self._suspects, missing
        if strays:
            never_left = strays & self._unstored.keys()
            await self._sender.resolve(requeue=never_left, interrupted=strays - never_left)
        if strays or (stored.queued and not self._known):
            self.wake()

    def _give_back(self) -> None:
        self._reserved -= 1
        if not self._reserved:
            self._unreserved.set()
            self._unreserved = trio.Event()

    def _has_room(self, chat: str) -> bool:
        queue = self._chats.get(chat)
        return len(self._known) < WINDOW and (queue is None or len(queue) < CHAT_WINDOW)

    def _add(self, item: _Item) -> None:
        self._known.add(item.message.id)
        self._awaited.discard(item.message.id)
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
        for item in queue:
            self._more = True
            self._known.discard(item.message.id)
            if item.outcome is not None:
                self._owed.append(item.outcome)
            elif item.begun or item.doubtful:
                id = item.message.id
                self._owed.append(SendOutcome(id=id, state=MessageState.QUEUED, at=self._sender.now()))
        if self._outside:
            self._more = True
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
                    await self._pay()
                    await self._fill()
                except LeaseLost:
                    raise
                except StoreError as error:
                    self._more = True
                    log.warning("waiting sends could not be read", session=self._lease.session, error=str(error))
                    await trio.sleep(delay)
                    delay = min(2 * delay, RETRY_DELAY_MAX)
        finally:
            self._loading = False

    async def _fill(self) -> None:
        """Read rows, oldest first, until the window is full or none is left; a chat that has enough is passed over."""
        self._more = bool(self._owed)  # what is stored from here on is announced by `accept` or `wake`
        outside: set[str] = set()
        passed: set[str] = set()
        while True:
            rows = await self._store.pending_messages(self._lease, exclude=self._known | passed, limit=WINDOW)
            for row in rows:
                if row.id in self._known:
                    continue
                if row.to in outside or not self._has_room(row.to):
                    outside.add(row.to)
                    passed.add(row.id)
                else:
                    self._add(_Item(row))
            if len(rows) < WINDOW:
                self._outside = outside
                return
            if len(self._known) >= WINDOW:
                self._more = True
                return

    async def _pay(self) -> None:
        while self._owed:
            outcome = self._owed[0]
            if not await self._sender.record(outcome.id, outcome):
                break
            self._owed.remove(outcome)

    async def _drain(self, chat: str, queue: deque[_Item]) -> None:
        try:
            while queue:
                item = queue[0]
                if not item.begun and item.outcome is None:
                    await self._turns.wait(chat, item.message.content)
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
                    if len(queue) == CHAT_LOW and chat in self._outside:
                        self._more = True
                        self._load_soon()
                else:
                    await trio.sleep(pause)
        finally:
            self._drop(chat, queue)

    async def _send(self, link: Link, item: _Item) -> float | None:
        """None when the message is done with, otherwise the seconds to wait before it is tried again."""
        message = item.message
        if item.outcome is not None:
            return await self._conclude(item, item.outcome)
        if not item.begun:
            if message.expires_at <= self._sender.now():
                await self._sender.record(
                    message.id, MessageState.EXPIRED, "its time to live ended before it could be sent"
                )
                return None
            item.doubtful = True
            begun = await self._sender.begin(message.id)
            if begun is Begun.UNSURE:
                return RETRY_DELAY
            if begun is Begun.ENDED:
                return None
            item.begun = True
            if self._link is not link:  # it went away meanwhile; nothing has left, `_drop` puts the row back
                return 0.0
        outcome = await self._sender.attempt(link, message, item.attempts)
        if not isinstance(outcome, Pause):
            return await self._conclude(item, outcome)
        item.attempts += 1
        if outcome.whole_session:
            self._turns.pause(outcome.delay)
        item.begun = item.doubtful = not await self._sender.record(message.id, MessageState.QUEUED, outcome.error)
        return outcome.delay

    async def _conclude(self, item: _Item, outcome: SendOutcome) -> float | None:
        """Store the outcome, if need be later: whatever happens meanwhile, the message is not sent again."""
        item.begun, item.outcome = False, outcome
        return None if await self._sender.record(outcome.id, outcome) else RETRY_DELAY
