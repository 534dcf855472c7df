"""The queue of one session's sends: in order per chat, several chats at once, fair between chats (F4).

The backlog is in the store; only the messages of the current window are in memory. A message is stored as SENDING
before its first byte leaves, so that after a crash it shows as `unknown` and is never silently sent twice.

One task, `_deliver`, drives everything: each round stores the new outcomes and the due beginnings in one transaction,
then passes the messages to the workers. While it stores, the next round collects. The task ends, with its workers, when
nothing has been sent for a moment.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from heapq import heappop, heappush
from itertools import count

import trio

from ..errors import LeaseLost, StoreError, TerminalError
from ..log import get_logger
from ..model.content import Content
from ..model.message import MessageState, OutboundMessage, SendOutcome, Unfinished
from ..model.session import Lease
from ..provider.capabilities import Concurrent
from ..provider.contract import Link
from ..services import Services
from .attempt import RETRY_DELAY, RETRY_DELAY_MAX, Pause
from .chats import Chat, Item
from .record import SendRecord
from .turns import Turns
from .workers import Workers

WINDOW = 512
"""Approximate maximum number of one session's messages in memory."""

CHAT_WINDOW = 128
"""Maximum number of these for one chat: a long backlog of one chat leaves room for the others."""

CHAT_LOW = 32
"""A chat with more rows than its part of the window is read again when this few of its messages are left."""

UNSTORED = 1000
"""Number of remembered ids of messages whose storing was given up."""

DEFAULT_CONCURRENCY = 16

LINGER = 1.0
"""Seconds without work after which the tasks end."""

EXPIRED = "its time to live ended before it could be sent"

log = get_logger("SESSION")


class Outbox:
    """Belongs to the session's task, which attaches it to each link in turn."""

    def __init__(
        self,
        lease: Lease,
        platform: str,
        services: Services,
        *,
        on_refused: Callable[[TerminalError], object],
    ) -> None:
        """`on_refused` is called when the platform refuses the session itself; the link has to end then."""
        self._lease = lease
        self._store = services.store
        self._settings = services.settings
        self._shields = services.shields
        self.record = SendRecord(lease, platform, services)
        self._workers = Workers(platform, services, on_end=self._ended, on_refused=on_refused)
        self._link: Link | None = None
        self._nursery: trio.Nursery | None = None
        self._turns = Turns()
        self._places = 0  # messages that the link may handle at once
        self._taken = 0
        # The window. A chat is in it while it has messages here or a place is reserved for one.
        self._chats: dict[str, Chat] = {}
        self._known: set[str] = set()  # ids of the window
        self._outside: Collection[str] = frozenset()  # chats with rows outside the window
        self._more = True  # rows outside the window may be of any chat
        self._loading = False
        # Each chat of the window that no worker handles is in one of these.
        self._ready: deque[Chat] = deque()
        self._later: list[tuple[float, int, Chat]] = []  # a heap by trio time
        self._numbers = count()
        self._done: list[Chat] = []  # chats whose first message has an outcome that is not stored yet
        self._wake = trio.Event()
        self._delivering = False
        # Messages on their way into the store.
        self._awaited: set[str] = set()  # as QUEUED
        self._reserving: set[str] = set()  # as SENDING
        self._unreserved = trio.Event()
        self._unstored: OrderedDict[str, None] = OrderedDict()  # messages that their callers gave up storing
        self._suspects: set[str] = set()  # SENDING, but not handled here at the last `reconcile`
        self._owed: dict[str, SendOutcome] = {}  # states that rows should get: outcomes, or QUEUED if unsent

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: send the waiting messages. The nursery is the link's own and ends with it."""
        self._link = link
        self._turns.attach(link)
        self._nursery = nursery
        self._places = link.max_concurrent_sends if isinstance(link, Concurrent) else DEFAULT_CONCURRENCY
        self._more = True
        self._load_soon()

    def detach(self) -> None:
        """The link is closing: begin nothing more."""
        self._link = None
        self._nursery = None
        self._workers.stop()

    async def settle(self) -> None:
        """After the last link, store what is not stored yet. The caller bounds the time."""
        while self._reserving:
            await self._unreserved.wait()
        await self._pay()

    # Accepting messages.

    def reserve(self, id: str, chat: str, content: Content) -> bool:
        """A message is about to be stored: try to reserve the next place in its chat. `accept` or `withdraw` must
        follow.

        True: it would be sent at once, so it may be stored as SENDING right away (one write less). False: store it as
        QUEUED.
        """
        if (
            self._link is None
            or self._more
            or self._loading
            or chat in self._chats
            or chat in self._outside
            or self._taken + len(self._reserving) >= self._places
            or not self._turns.take_now(chat, content)
        ):
            self._awaited.add(id)
            return False
        self._chats[chat] = Chat(chat, busy=True)
        self._reserving.add(id)
        return True

    def withdraw(self, id: str, chat: str, *, reserved: bool) -> None:
        """The message was not stored."""
        self._awaited.discard(id)
        if reserved:
            self._unreserve(id)
            self._next(self._chats[chat])

    def accept(self, message: OutboundMessage, *, reserved: bool) -> None:
        """The message was just stored."""
        if reserved:
            self._unreserve(message.id)
            chat = self._chats[message.to]
            chat.items.appendleft(Item(message))
            self._known.add(message.id)
            if self._link is None:
                self._put_back(chat)
            else:
                self._hand_over(chat)
            return
        if message.id not in self._awaited:
            return  # its row was read before its caller could report it
        self._awaited.discard(message.id)
        if self._link is None or self._more or self._loading:
            self.wake()
        elif message.to in self._outside or not self._has_room(message.to):
            self._outside = {*self._outside, message.to}
        else:
            self._add(Item(message))

    def doubt(self, id: str) -> None:
        """A message may have been stored, or may still be; the store did not answer. It is sent as soon as it is
        found."""
        self._unstored[id] = None
        if len(self._unstored) > UNSTORED:
            self._unstored.popitem(last=False)
        self._owed[id] = self.record.queued(id)
        self.wake()

    def wake(self) -> None:
        """Another task or engine may have stored rows."""
        self._more = True
        self._load_soon()

    async def reconcile(self, stored: Unfinished) -> None:
        """Take over the messages that `stored` lists for this session and that should be handled here but are not.
        Works with or without a connection. Raises StoreError."""
        missing = set(stored.sending) - self._known - self._reserving - self._owed.keys()
        # Twice in a row, because the store may have been read just before its row changed.
        strays, self._suspects = missing & self._suspects, missing
        if strays:
            never_left = strays & self._unstored.keys()
            await self.record.resolve(requeue=never_left, interrupted=strays - never_left)
        if strays or (stored.queued and not self._known):
            self.wake()

    def _unreserve(self, id: str) -> None:
        self._reserving.discard(id)
        if not self._reserving:
            self._unreserved.set()
            self._unreserved = trio.Event()

    # The window.

    def _has_room(self, name: str) -> bool:
        chat = self._chats.get(name)
        return len(self._known) < WINDOW and (chat is None or len(chat.items) < CHAT_WINDOW)

    def _add(self, item: Item) -> None:
        name = item.message.to
        self._known.add(item.message.id)
        self._awaited.discard(item.message.id)
        chat = self._chats.get(name)
        if chat is None:
            chat = self._chats[name] = Chat(name)
        chat.items.append(item)
        if not chat.busy:
            self._next(chat)

    def _next(self, chat: Chat) -> None:
        """Continue with a chat that no task is handling."""
        if not chat.items:
            chat.busy = False
            del self._chats[chat.name]
            if self._outside:
                self._more = True
            self._load_soon()
            return
        chat.busy = True
        if self._nursery is None:
            self._put_back(chat)
            return
        if len(chat.items) == CHAT_LOW and chat.name in self._outside:
            self._more = True
            self._load_soon()
        self._ready.append(chat)
        self._nudge()

    def _put_back(self, chat: Chat) -> None:
        """Forget a chat's place in the window; its rows are read again when there is a link."""
        del self._chats[chat.name]
        self._more = True
        for item in chat.items:
            id = item.message.id
            self._known.discard(id)
            if item.outcome is not None:
                self._owed[id] = item.outcome
            elif item.begun or item.doubtful:
                self._owed[id] = self.record.queued(id)

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
        """Read rows, oldest first, until the window is full or none is left. A chat that has enough messages is
        skipped."""
        self._more = bool(self._owed)  # `accept` or `wake` announces rows that are stored from here on
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
                    self._add(Item(row))
            if len(rows) < WINDOW:
                self._outside = outside
                return
            if len(self._known) >= WINDOW:
                self._more = True
                return

    async def _pay(self) -> None:
        if self._owed:
            owed = dict(self._owed)
            written = await self.record.write(list(owed.values()))
            for id, outcome in owed.items():
                if id not in written.failed and self._owed.get(id) is outcome:
                    del self._owed[id]

    # Sending messages.

    def _nudge(self) -> None:
        self._wake.set()
        if not self._delivering and self._nursery is not None:
            self._delivering = True
            self._nursery.start_soon(self._deliver)

    async def _deliver(self) -> None:
        """Move messages until none is left or the link ends; then put back the messages that were not sent."""
        try:
            async with trio.open_nursery() as nursery:
                if self._link is not None:
                    self._workers.start(nursery, self._link)
                    try:
                        await self._rounds()
                    except BaseException:  # any error that ends the rounds also ends the calls soon
                        self._workers.stop()
                        raise
                self._workers.end()  # no worker may start in a nursery that is closing
                nursery.cancel_scope.cancel()
        finally:
            # The workers have ended. The outcomes of their last calls are stored; the rest becomes QUEUED again.
            self._workers.end()
            with self._shields.open(self._settings.store_timeout):
                await self._store_outcomes(())
            self._workers.clear()
            self._ready.clear()
            self._later.clear()
            self._done.clear()
            self._taken = 0
            for chat in [chat for chat in self._chats.values() if chat.items]:
                self._put_back(chat)
            self._delivering = False
            self._load_soon()

    async def _rounds(self) -> None:
        while self._link is not None:
            self._wake = trio.Event()
            beginning = self._due()
            if self._done or beginning:
                await self._store_outcomes(beginning)
                await trio.lowlevel.checkpoint()  # a safe point for cancellation: nothing is half done here
                continue
            if self._ready and self._taken < self._places:
                continue
            idle = not (self._taken or self._ready or self._later or self._reserving)
            until = trio.current_time() + LINGER if idle else self._later[0][0] if self._later else float("inf")
            with trio.move_on_at(until) as patience:
                await self._wake.wait()
            if idle and patience.cancelled_caught and not self._wake.is_set():
                return

    def _due(self) -> list[Chat]:
        """The chats whose next message may begin now, as far as the link has free places. Takes a place for each."""
        now = trio.current_time()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        beginning = []
        clock = self.record.now()
        while self._ready and self._taken < self._places:
            chat = self._ready.popleft()
            item = chat.items[0]
            if item.outcome is not None:
                self._done.append(chat)
            elif item.begun:
                self._hand_over(chat)
            elif (delay := self._turn_of(chat, item)) > 0:
                self._postpone(chat, delay)
            elif item.message.expires_at <= clock:
                self._conclude(
                    chat, SendOutcome(id=item.message.id, state=MessageState.EXPIRED, at=clock, error=EXPIRED)
                )
            else:
                self._taken += 1
                beginning.append(chat)
        return beginning

    def _turn_of(self, chat: Chat, item: Item) -> float:
        """Book the message's turn, once; returns the seconds until it comes."""
        if not item.booked:
            item.booked = True
            if (delay := self._turns.book(chat.name, item.message.content)) > 0:
                return delay
        return self._turns.pause_left()

    def _postpone(self, chat: Chat, delay: float) -> None:
        heappush(self._later, (trio.current_time() + delay, next(self._numbers), chat))

    def _hand_over(self, chat: Chat) -> None:
        self._taken += 1
        self._workers.give(chat)
        self._nudge()

    def _conclude(self, chat: Chat, outcome: SendOutcome, retry_in: float | None = None) -> None:
        """Set the state to write for the chat's first message. Whatever happens meanwhile, the message is not sent
        before."""
        chat.items[0].outcome, chat.items[0].retry_in = outcome, retry_in
        self._done.append(chat)
        self._wake.set()

    def _ended(self, chat: Chat, result: SendOutcome | Pause) -> None:
        """A worker has finished the chat's first message."""
        self._taken -= 1
        if not isinstance(result, Pause):
            self._conclude(chat, result)
            return
        item = chat.items[0]
        item.failures += 1
        item.booked = False
        if result.whole_session:
            self._turns.pause(result.delay)
        self._conclude(chat, self.record.queued(item.message.id, result.error), result.delay)

    async def _store_outcomes(self, beginning: Collection[Chat]) -> None:
        """Write outcomes and beginnings in one transaction. Raises LeaseLost."""
        done, self._done = self._done, []
        outcomes = [outcome for chat in done if (outcome := chat.items[0].outcome) is not None]
        for chat in beginning:
            item = chat.items[0]
            item.doubtful = True
            outcomes.append(SendOutcome(id=item.message.id, state=MessageState.SENDING, at=self.record.now()))
        try:
            written = await self.record.write(outcomes)
        except LeaseLost:
            self._done += done
            raise
        for chat in done:
            self._stored(chat, failed=chat.items[0].message.id in written.failed)
        for chat in beginning:
            item = chat.items[0]
            self._taken -= 1
            if item.message.id in written.failed:
                self._postpone(chat, RETRY_DELAY)
            elif item.message.id in written.refused:  # cancelled, or expired
                self._known.discard(chat.items.popleft().message.id)
                self._next(chat)
            else:
                item.begun = True
                item.attempts += 1
                if self._link is None:  # the link closed meanwhile; nothing was sent
                    self._put_back(chat)
                else:
                    self._hand_over(chat)

    def _stored(self, chat: Chat, *, failed: bool) -> None:
        item = chat.items[0]
        if item.retry_in is None and not failed:
            self._known.discard(chat.items.popleft().message.id)
            self._next(chat)
        elif item.retry_in is None:
            self._postpone(chat, RETRY_DELAY)
        else:  # it was not sent and is retried; if the store failed, its row still says SENDING
            item.begun = item.doubtful = failed
            item.outcome = None
            self._postpone(chat, item.retry_in)
            item.retry_in = None
