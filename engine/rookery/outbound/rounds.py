"""Moves the messages of one session's window through its link.

One task, `_deliver`, drives everything: each round stores the new outcomes and the due beginnings in one transaction,
then passes the messages to the send tasks. While it stores, the next round collects. All end after a moment without sends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from heapq import heappop, heappush
from itertools import count

import trio

from ..errors import LeaseLost, TerminalError
from ..model.message import MessageState, OutboundMessage, SendOutcome
from ..model.session import Lease
from ..provider.capabilities import Concurrent
from ..provider.contract import Link
from ..runtime.signals import Flag
from ..services import Services
from .attempt import RETRY_DELAY, Pause
from .chats import Chat, Item
from .lanes import Lanes, is_own
from .record import SendRecord
from .send_tasks import SendTasks
from .turns import Turns
from .window import Window

DEFAULT_CONCURRENCY = 16

LINGER = 1.0
"""Seconds without work after which the tasks end."""

EXPIRED = "its time to live ended before it could be sent"


class Rounds:
    """Belongs to an outbox, and owns the window: a chat that is ready there is handled here until it is given back with
    `Window.next` or `Window.put_back`."""

    def __init__(
        self,
        lease: Lease,
        platform: str,
        services: Services,
        record: SendRecord,
        lanes: Lanes,
        *,
        on_refused: Callable[[TerminalError], object],
    ) -> None:
        self._settings = services.settings
        self._shields = services.shields
        self._record = record
        self._lanes = lanes
        self.window = Window(lease, services.store, record, lanes, on_ready=self._add)
        self._tasks = SendTasks(platform, services, on_end=self._ended, on_refused=on_refused)
        self._link: Link | None = None
        self._nursery: trio.Nursery | None = None
        self._turns = Turns(lanes)
        self._places = 0  # messages that the link may handle at once
        self._taken = 0
        self._reserving: dict[str, None] = {}  # a set: messages that are being stored as SENDING
        self._unreserved = Flag()
        # Each chat of the window that no send task handles is in one of these.
        self._ready: list[Chat] = []  # at most the window; an empty deque would take 760 bytes of every session
        self._later: list[tuple[float, int, Chat]] = []  # a heap by trio time
        self._done: list[Chat] = []  # chats whose first message has an outcome that is not stored yet
        self._numbers = count()
        self._wake: trio.Event | None = None  # while messages are delivered
        self._delivering = False

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: call it from tasks in this nursery, which is the link's own and ends with it."""
        self._link = link
        self._turns.attach(link)
        self._nursery = nursery
        self._places = link.max_concurrent_sends if isinstance(link, Concurrent) else DEFAULT_CONCURRENCY

    def detach(self) -> None:
        """The link is closing: begin nothing more."""
        self._link = None
        self._nursery = None
        self._tasks.stop()

    def reserve(self, message: OutboundMessage) -> bool:
        """Try to reserve one of the link's places for a message that is about to be stored as SENDING, whose turn must
        have come. `begin` or `withdraw` must follow."""
        urgent = self._lanes.is_urgent(message.content)
        if (
            self._link is None
            or self._taken + len(self._reserving) >= self._places_for(urgent)
            or not self._turns.take_now(message.to, message.content)
        ):
            return False
        self._reserving[message.id] = None
        return True

    def _places_for(self, urgent: bool) -> int:
        """The number of calls up to which such a message may be sent: urgent ones do not wait for slow sends."""
        return self._places * 2 if urgent else self._places

    def _next_has_place(self) -> bool:
        """Whether the first ready chat, an urgent one if there is any, may be handled now."""
        return bool(self._ready) and self._taken < self._places_for(is_own(self._ready[0].name))

    def withdraw(self, id: str) -> None:
        """The message that a place was reserved for was not stored."""
        self._reserving.pop(id, None)
        if not self._reserving:
            self._unreserved.set()
            self._unreserved = Flag()

    def begin(self, chat: Chat) -> None:
        """The message that a place was reserved for was stored, and is the first of this chat: send it."""
        self.withdraw(chat.items[0].message.id)
        if self._link is None:
            self.window.put_back(chat)
        else:
            self._hand_over(chat)

    def is_storing(self, id: str) -> bool:
        """Whether a place is reserved for it."""
        return id in self._reserving

    async def settled(self) -> None:
        """Wait until no place is reserved."""
        while self._reserving:
            await self._unreserved.wait()

    def _add(self, chat: Chat) -> None:
        self._make_ready(chat)
        self._nudge()

    def _make_ready(self, chat: Chat) -> None:
        if is_own(chat.name):
            self._ready.insert(0, chat)
        else:
            self._ready.append(chat)

    def _nudge(self) -> None:
        if self._wake is not None:
            self._wake.set()
        if not self._delivering and self._nursery is not None:
            self._delivering = True
            self._nursery.start_soon(self._deliver)

    async def _deliver(self) -> None:
        """Move messages until none is left or the link ends; then put back the messages that were not sent."""
        try:
            async with trio.open_nursery() as nursery:
                if self._link is not None:
                    self._tasks.start(nursery, self._link)
                    try:
                        await self._run()
                    except BaseException:  # any error that ends the rounds also ends the calls soon
                        self._tasks.stop()
                        raise
                self._tasks.end()  # no task may start in a nursery that is closing
                nursery.cancel_scope.cancel()
        finally:
            # The send tasks have ended. The outcomes of their last calls are stored; the rest becomes QUEUED again.
            self._tasks.end()
            with self._shields.open(self._settings.store_timeout):
                await self._store_outcomes(())
            self._tasks.clear()
            self._ready.clear()
            self._later.clear()
            self._done.clear()
            self._taken = 0
            self.window.put_all_back()
            self._delivering = False
            self._wake = None
            self.window.load_soon()

    async def _run(self) -> None:
        while self._link is not None:
            wake = self._wake = trio.Event()
            await self._gather()
            beginning = self._due()
            if self._done or beginning:
                await self._store_outcomes(beginning)
                await trio.lowlevel.checkpoint()  # a safe point for cancellation: nothing is half done here
                continue
            if self._next_has_place():
                continue
            idle = not (self._taken or self._ready or self._later or self._reserving)
            until = trio.current_time() + LINGER if idle else self._later[0][0] if self._later else float("inf")
            with trio.move_on_at(until) as patience:
                await wake.wait()
            if idle and patience.cancelled_caught and not wake.is_set():
                return

    async def _gather(self) -> None:
        """Let outcomes that come right after each other share a transaction, while more are still on their way."""
        seen = 0
        while seen < (seen := len(self._done)) < self._taken:
            await trio.lowlevel.checkpoint()

    def _due(self) -> list[Chat]:
        """The chats whose next message may begin now, as far as the link has free places. Takes a place for each."""
        now = trio.current_time()
        while self._later and self._later[0][0] <= now:
            self._make_ready(heappop(self._later)[2])
        beginning = []
        clock = self._record.now()
        while self._next_has_place():
            chat = self._ready.pop(0)
            if (item := chat.items[0]).outcome is not None:
                self._done.append(chat)
            elif item.begun:
                self._hand_over(chat)
            elif (delay := self._turn_of(chat, item)) > 0:
                self._postpone(chat, delay)
            elif item.message.expires_at <= clock:
                expired = SendOutcome(id=item.message.id, state=MessageState.EXPIRED, at=clock, error=EXPIRED)
                self._conclude(chat, expired)
            else:
                self._taken += 1
                beginning.append(chat)
        return beginning

    def _turn_of(self, chat: Chat, item: Item) -> float:
        """Book the message's turn, once; returns the seconds until it comes."""
        if not item.booked:
            item.booked = True
            if (delay := self._turns.book(item.message.to, item.message.content)) > 0:
                return delay
        return self._turns.pause_left()

    def _postpone(self, chat: Chat, delay: float) -> None:
        heappush(self._later, (trio.current_time() + delay, next(self._numbers), chat))

    def _hand_over(self, chat: Chat) -> None:
        self._taken += 1
        self._tasks.give(chat)
        self._nudge()

    def _conclude(self, chat: Chat, outcome: SendOutcome, retry_in: float | None = None) -> None:
        """Set the state to write for the chat's first message. Whatever happens meanwhile, the message is not sent
        before."""
        chat.items[0].outcome, chat.items[0].retry_in = outcome, retry_in
        self._done.append(chat)
        if self._wake is not None:
            self._wake.set()

    def _ended(self, chat: Chat, result: SendOutcome | Pause) -> None:
        """A send task has finished the chat's first message."""
        self._taken -= 1
        if not isinstance(result, Pause):
            self._conclude(chat, result)
            return
        item = chat.items[0]
        item.failures += 1
        item.booked = False
        if result.whole_session:
            self._turns.pause(result.delay)
        self._conclude(chat, self._record.queued(item.message.id, result.error), result.delay)

    async def _store_outcomes(self, beginning: Collection[Chat]) -> None:
        """Write outcomes and beginnings in one transaction. Raises LeaseLost."""
        done, self._done = self._done, []
        outcomes = [outcome for chat in done if (outcome := chat.items[0].outcome) is not None]
        now = self._record.now() if beginning else 0.0
        for chat in beginning:
            chat.items[0].doubtful = True
            outcomes.append(SendOutcome(id=chat.items[0].message.id, state=MessageState.SENDING, at=now))
        try:
            written = await self._record.write(outcomes)
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
                self.window.drop_first(chat)
            else:
                item.begun = True
                item.attempts += 1
                if self._link is None:  # the link closed meanwhile; nothing was sent
                    self.window.put_back(chat)
                else:
                    self._hand_over(chat)

    def _stored(self, chat: Chat, *, failed: bool) -> None:
        item = chat.items[0]
        if item.retry_in is None and not failed:
            self.window.drop_first(chat)
        elif item.retry_in is None:
            self._postpone(chat, RETRY_DELAY)
        else:  # it was not sent and is retried; if the store failed, its row still says SENDING
            item.begun = item.doubtful = failed
            item.outcome = None
            self._postpone(chat, item.retry_in)
            item.retry_in = None
