"""The part of one session's backlog that is in memory: at most `WINDOW` messages, in order per chat.

The rest stays in the store and is read as the window empties. A chat is in the window while it has messages here or a
place is reserved for one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from ..errors import LeaseLost, NotFound, StoreError
from ..log import get_logger
from ..model.message import MessageState, OutboundMessage, SendOutcome
from ..model.session import Lease
from ..store.contract.messages import MessageStore
from .attempt import RETRY_DELAY, RETRY_DELAY_MAX
from .chats import Chat, Item
from .lanes import Lanes, is_own
from .record import SendRecord

WINDOW = 512
"""Approximate maximum number of one session's messages in memory."""

CHAT_WINDOW = 128
"""Maximum number of these for one chat: a long backlog of one chat leaves room for the others."""

CHAT_LOW = 32
"""A chat with more rows than its part of the window is read again when this few of its messages are left."""

CALLS = 1000
"""Maximum number of waiting calls that are looked at for urgent ones."""

log = get_logger("SESSION")


class Window:
    """Belongs to an outbox. `on_ready` is called with each chat whose first message may be handled now; the caller of
    `next` and `put_back` has finished handling the chat."""

    def __init__(
        self,
        lease: Lease,
        store: MessageStore,
        record: SendRecord,
        lanes: Lanes,
        *,
        on_ready: Callable[[Chat], object],
    ) -> None:
        self._lease = lease
        self._store = store
        self._record = record
        self._lanes = lanes
        self._on_ready = on_ready
        self._nursery: trio.Nursery | None = None
        self._chats: dict[str, Chat] = {}
        self._known: set[str] = set()  # ids of the messages in `_chats`
        self._outside: Collection[str] = frozenset()  # chats with rows outside the window
        self._more = True  # rows outside the window may be of any chat
        self._urgent = lanes.has_urgent  # some of them may be urgent
        self._loading = False
        self._passed_by: dict[str, None] = {}  # a set: messages that were taken in while rows were read
        self._awaited: dict[str, None] = {}  # a set: messages that are being stored as QUEUED
        self._owed: dict[str, SendOutcome] = {}  # states that rows should get: outcomes, or QUEUED if unsent

    def open(self, nursery: trio.Nursery, *, empty: bool = False) -> None:
        """A link is up: read rows in this nursery, which is the link's own and ends with it. `empty`: none are there."""
        self._nursery = nursery
        if empty:
            self._more = self._urgent = False
        else:
            self.wake()

    def close(self) -> None:
        """The link is closing: read no more rows, and let `next` put chats back."""
        self._nursery = None

    def wake(self) -> None:
        """There may be rows that this window has not seen: read them soon."""
        self._more = True
        self._urgent = self._lanes.has_urgent
        self.load_soon()

    # Messages that are being stored.

    def is_free(self, chat: str) -> bool:
        """No other message of this chat or lane waits, neither here nor in the store."""
        if is_own(chat):
            return self._nursery is not None
        return not (
            self._nursery is None or self._more or self._loading or chat in self._chats or chat in self._outside
        )

    def reserve(self, chat: str) -> None:
        """Keep the first place of a free chat for a message that is being stored. `fill` or `release` must follow."""
        self._chats[chat] = Chat(chat, busy=True)

    def release(self, chat: str) -> None:
        """The message was not stored."""
        self.next(self._chats[chat])

    def fill(self, message: OutboundMessage) -> Chat:
        """The message was stored: it takes its reserved place. Returns its chat, which the caller handles."""
        chat = self._chats[self._lanes.of(message)]
        chat.items.appendleft(Item(message))
        self._known.add(message.id)
        self._note_new(message.id)
        return chat

    def expect(self, id: str) -> None:
        """A message is about to be stored as QUEUED. `offer` or `forget` must follow."""
        self._awaited[id] = None

    def forget(self, id: str) -> None:
        """The expected message was not stored, or it is not certain."""
        self._awaited.pop(id, None)

    def offer(self, message: OutboundMessage) -> None:
        """The expected message was stored: take it in if there is room, else read its row later."""
        if message.id not in self._awaited:
            return  # its row was read before its caller could report it
        self._awaited.pop(message.id, None)
        if self._nursery is not None and is_own(self._lanes.of(message)):
            self._note_new(message.id)
            self._add(Item(message))
        elif self._nursery is None or self._more or self._loading:
            self.wake()
        elif message.to in self._outside or not self._has_room(message.to):
            self._outside = {*self._outside, message.to}
        else:
            self._add(Item(message))

    # Messages whose row has another state than this session knows.

    def owe(self, outcome: SendOutcome) -> None:
        """Write this state to its row before the next rows are read."""
        self._owed[outcome.id] = outcome

    async def pay(self) -> None:
        """Try once to write the states that are owed. Raises LeaseLost."""
        if self._owed:
            owed = dict(self._owed)
            written = await self._record.write(list(owed.values()))
            for id, outcome in owed.items():
                if id not in written.failed and self._owed.get(id) is outcome:
                    del self._owed[id]

    def missing(self, ids: Collection[str]) -> set[str]:
        """Those of the messages that are neither in the window nor owed a state."""
        return set(ids) - self._known - self._owed.keys()

    @property
    def is_empty(self) -> bool:
        """No message is in the window; places may be reserved."""
        return not self._known

    # Chats that were handled.

    def drop_first(self, chat: Chat) -> None:
        """The chat's first message needs nothing more: continue with the next one."""
        self._known.discard(chat.items.popleft().message.id)
        self.next(chat)

    def next(self, chat: Chat) -> None:
        """Continue with a chat that no task is handling."""
        if not chat.items:
            chat.busy = False
            del self._chats[chat.name]
            if self._outside:
                self._more = True
            self.load_soon()
            return
        chat.busy = True
        if self._nursery is None:
            self.put_back(chat)
            return
        if len(chat.items) == CHAT_LOW and chat.name in self._outside:
            self._more = True
            self.load_soon()
        self._on_ready(chat)

    def put_back(self, chat: Chat) -> None:
        """Forget a chat's place in the window; its rows are read again when there is a link."""
        del self._chats[chat.name]
        self._more = True
        for item in chat.items:
            id = item.message.id
            self._known.discard(id)
            if item.outcome is not None:
                self._owed[id] = item.outcome
            elif item.begun or item.doubtful:
                self._owed[id] = self._record.queued(id)

    def put_all_back(self) -> None:
        """Put back every chat that has messages. Reserved places stay."""
        for chat in [chat for chat in self._chats.values() if chat.items]:
            self.put_back(chat)

    # Reading rows.

    def load_soon(self) -> None:
        """Start reading rows if there may be some and half of the window is free, or some may be urgent."""
        if self._nursery is not None and not self._loading and self._is_due:
            self._loading = True
            self._nursery.start_soon(self._load)

    @property
    def _is_due(self) -> bool:
        return self._more and (self._urgent or len(self._known) <= WINDOW // 2)

    async def _load(self) -> None:
        delay = RETRY_DELAY
        try:
            while self._nursery is not None and self._is_due:
                seeks, self._urgent = self._urgent, False
                try:
                    await self.pay()
                    if len(self._known) <= WINDOW // 2:
                        await self._read()
                    if seeks and self._more:  # rows are left, and no place in the window may become free for long
                        await self._read_urgent()
                except LeaseLost:
                    raise
                except StoreError as error:
                    self._more = True
                    self._urgent = self._urgent or seeks
                    log.warning("waiting sends could not be read", session=self._lease.session, error=str(error))
                    await trio.sleep(delay)
                    delay = min(2 * delay, RETRY_DELAY_MAX)
        finally:
            self._loading = False

    async def _read(self) -> None:
        """Read rows, oldest first, until the window is full or none is left. A chat that has enough messages is
        skipped."""
        self._more = bool(self._owed)  # `offer` or `wake` announces rows that are stored from here on
        outside: set[str] = set()
        passed: set[str] = set()
        while True:
            self._passed_by.clear()
            rows = await self._store.pending_messages(
                self._lease, exclude=self._known | passed | self._owed.keys(), limit=WINDOW
            )
            for row in rows:
                if row.id in self._known or row.id in self._passed_by or row.id in self._owed:
                    continue
                if not is_own(self._lanes.of(row)) and (row.to in outside or not self._has_room(row.to)):
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

    async def _read_urgent(self) -> None:
        """Read the rows of urgent messages, which need no place in the window."""
        self._passed_by.clear()
        for id, method in await self._store.pending_calls(self._lease, limit=CALLS):
            if id in self._known or not self._lanes.is_answer(method):
                continue
            if id in self._owed:  # its row says what it will be only once that is written
                self._urgent = True
                continue
            try:
                row = await self._store.get_message(id)
            except NotFound:  # the session's messages were erased meanwhile
                continue
            is_waiting = row.state is MessageState.QUEUED and row.unreadable is None
            if is_waiting and id not in self._known and id not in self._passed_by:
                self._add(Item(row))

    def _note_new(self, id: str) -> None:
        """Rows that are being read may show the message as it was before it was taken in, even if it is sent by then."""
        if self._loading:
            self._passed_by[id] = None

    def _has_room(self, name: str) -> bool:
        chat = self._chats.get(name)
        return len(self._known) < WINDOW and (chat is None or len(chat.items) < CHAT_WINDOW)

    def _add(self, item: Item) -> None:
        name = self._lanes.of(item.message)
        self._known.add(item.message.id)
        self._awaited.pop(item.message.id, None)
        chat = self._chats.get(name)
        if chat is None:
            chat = self._chats[name] = Chat(name)
        chat.items.append(item)
        if not chat.busy:
            self.next(chat)
