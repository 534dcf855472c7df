"""Moves the messages of one session's window through its link.

One task, `_deliver`, drives everything: each round stores the new outcomes and the due beginnings in one transaction,
then passes the messages to the send tasks. The message behind one that ended begins in the same transaction if it may.
While it stores, the next round collects. All end after a moment without sends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from ..errors import LeaseLost, TerminalError
from ..model.message import MessageState, OutboundMessage, SendOutcome
from ..model.session import Lease
from ..provider.contract import Link
from ..services import Services
from .attempt import RETRY_DELAY, Pause
from .chats import Chat, Item, WaitingChats
from .lanes import Lanes, is_own
from .places import Places
from .record import SendRecord
from .send_tasks import SendTasks
from .turns import Turns
from .window import Window

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
        self.places = Places()
        # Each chat of the window that no send task handles is in one of these.
        self._waiting = WaitingChats()
        self._done: list[Chat] = []  # chats whose first message has an outcome that is not stored yet
        self._wake: trio.Event | None = None  # while messages are delivered
        self._delivering = False

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: call it from tasks in this nursery, which is the link's own and ends with it."""
        self._link = link
        self._turns.attach(link)
        self._nursery = nursery
        self.places.attach(link)

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
            or not self.places.is_free(urgent=urgent, waiting=0 if urgent else len(self._waiting.ready))
            or not self._turns.take_now(message.to, message.content)
        ):
            return False
        self.places.reserve(message.id)
        return True

    def withdraw(self, id: str) -> None:
        """The message that a place was reserved for was not stored. The rounds may wait for its place, or to end."""
        self.places.release(id)
        if self._wake is not None:
            self._wake.set()

    def begin(self, chat: Chat) -> None:
        """The message that a place was reserved for was stored, and is the first of this chat: send it."""
        self.places.release(chat.items[0].message.id)
        self._hand_over(chat)

    def _add(self, chat: Chat) -> None:
        if chat.items[0].begun:  # together with the outcome of the one before
            self._hand_over(chat)
        else:
            self._waiting.add(chat)
            self._nudge()

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
                await self._store_outcomes((), ())
            self._tasks.clear()
            self._waiting.clear()
            self._done.clear()
            self.places.taken = 0
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
                await self._store_outcomes(beginning, self._following())
                await trio.lowlevel.checkpoint()  # a safe point for cancellation: nothing is half done here
                continue
            idle = not (self.places.are_used or self._waiting)
            until = trio.current_time() + LINGER if idle else self._waiting.next_at
            with trio.move_on_at(until) as patience:
                await wake.wait()
            if idle and patience.cancelled_caught and not wake.is_set():
                return

    async def _gather(self) -> None:
        """Let outcomes that come right after each other share a transaction, while more are still on their way."""
        seen = 0
        while seen < (seen := len(self._done)) < self.places.taken:
            await trio.lowlevel.checkpoint()

    def _due(self) -> list[Chat]:
        """The chats whose next message may begin now, as far as the link has free places. Takes a place for each."""
        self._waiting.move_due()
        beginning = []
        clock = self._record.now()
        while self._next_has_place():
            chat = self._waiting.ready.pop(0)
            if (item := chat.items[0]).outcome is not None:
                self._done.append(chat)
            elif (delay := self._turn_of(item)) > 0:
                self._waiting.postpone(chat, delay)
            elif item.message.expires_at <= clock:
                expired = SendOutcome(id=item.message.id, state=MessageState.EXPIRED, at=clock, error=EXPIRED)
                self._conclude(chat, expired)
            elif item.begun:
                self._hand_over(chat)
            else:
                self.places.taken += 1
                beginning.append(chat)
        return beginning

    def _next_has_place(self) -> bool:
        """Whether the first ready chat, an urgent one if there is any, may be handled now."""
        ready = self._waiting.ready
        return bool(ready) and self.places.is_free(urgent=is_own(ready[0].name))

    def _following(self) -> list[Chat]:
        """The chats whose second message may begin as soon as the outcome of the first is stored. Takes a place for each,
        unless other chats wait for places."""
        following: list[Chat] = []
        clock = self._record.now() if self._done else 0.0
        for chat in self._done:
            if self._waiting.ready or not self.places.is_free():
                break
            if len(chat.items) == 1 or chat.items[0].retry_in is not None:
                continue
            item = chat.items[1]
            if item.message.expires_at > clock and self._takes_turn(item):
                self.places.taken += 1
                following.append(chat)
        return following

    def _takes_turn(self, item: Item) -> bool:
        """Book the message's turn if it has come."""
        if item.booked:
            return self._turns.pause_left() <= 0
        item.booked = self._turns.take_now(item.message.to, item.message.content)
        return item.booked

    def _turn_of(self, item: Item) -> float:
        """Book the message's turn, once; returns the seconds until it comes. A turn that comes during a pause is lost:
        otherwise all that waited would leave together at its end."""
        if (pause := self._turns.pause_left()) > 0:
            item.booked = False
            return pause
        if item.booked:
            return 0.0
        item.booked = True
        return self._turns.book(item.message.to, item.message.content)

    def _hand_over(self, chat: Chat) -> None:
        """Send the chat's first message, which is stored as SENDING. It becomes QUEUED again if meanwhile the link has closed
        or a pause was demanded."""
        item = chat.items[0]
        if self._link is None:
            self.window.put_back(chat)
            return
        if (delay := self._turns.pause_left()) > 0:
            item.booked = False
            self._conclude(chat, self._record.queued(item.message.id), delay)
        else:
            self.places.taken += 1
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
        self.places.taken -= 1
        if not isinstance(result, Pause):
            self._conclude(chat, result)
            return
        item = chat.items[0]
        item.failures += 1
        item.booked = False
        if result.whole_session:
            self._turns.pause(result.delay)
        self._conclude(chat, self._record.queued(item.message.id, result.error), result.delay)

    async def _store_outcomes(self, beginning: Sequence[Chat], following: Sequence[Chat]) -> None:
        """Write outcomes and beginnings in one transaction. Raises LeaseLost."""
        done, self._done = self._done, []
        outcomes = [outcome for chat in done if (outcome := chat.items[0].outcome) is not None]
        items = [*(chat.items[0] for chat in beginning), *(chat.items[1] for chat in following)]
        now = self._record.now() if items else 0.0
        for item in items:
            item.doubtful = True
            outcomes.append(SendOutcome(id=item.message.id, state=MessageState.SENDING, at=now))
        after = {chat.items[1].message.id: chat.items[0].message.id for chat in following}
        try:
            written = await self._record.write(outcomes, after=after)
        except LeaseLost:
            self._done += done
            raise
        self.places.taken -= len(items)
        for item in items:
            if item.message.id not in written.failed and item.message.id not in written.refused:
                item.begun = True
        for chat in done:
            self._stored(chat, failed=chat.items[0].message.id in written.failed)
        for chat in beginning:
            item = chat.items[0]
            if item.message.id in written.failed:
                self._waiting.postpone(chat, RETRY_DELAY)
            elif not item.begun:  # cancelled, or expired
                self.window.drop_first(chat)
            else:
                self._hand_over(chat)

    def _stored(self, chat: Chat, *, failed: bool) -> None:
        item = chat.items[0]
        if item.retry_in is None and not failed:
            self.window.drop_first(chat)
        elif item.retry_in is None:
            self._waiting.postpone(chat, RETRY_DELAY)
        else:  # it was not sent and is retried; if the store failed, its row still says SENDING
            item.begun = item.doubtful = failed
            item.outcome = None
            self._waiting.postpone(chat, item.retry_in)
            item.retry_in = None
