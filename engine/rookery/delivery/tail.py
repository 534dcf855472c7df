"""The newest events in memory, read from the store once for all followers of the log.

If a thousand followers each queried the store after every commit, that would be a thousand queries per commit.
Followers that have seen everything wait here instead; one task reads the new events and wakes the followers concerned.
A follower that falls behind the events kept here reads from the store until it has caught up, so memory is bounded and
no event is skipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

import trio

from ..errors import StoreError, StoreUnavailable
from ..model.event import Event, EventQuery
from ..runtime.signals import Signals
from ..store.contract import Store
from .pages import SharedPages, size_of

KEPT = 4000
"""Number of events kept for followers that are slightly behind."""
KEPT_BYTES = 8 * 1024 * 1024
"""Size limit in bytes of JSON, for large events."""
PAGE = 500
BEHIND = 200
"""Number of events in a page for followers that are far behind."""
POLL_INTERVAL = 1.0  # seconds; on a shared store other instances write too
STALE = 5.0
"""If no follower has waited for this many seconds, the tail starts over instead of reading everything in between."""


class _Page:
    """Events that were read together; `before` is the end of the previous page."""

    def __init__(self, before: int, events: Sequence[Event]) -> None:
        self.before = before
        self.events = events
        self.last = events[-1].id
        self.size = size_of(events)
        self._by_session: dict[str, list[Event]] = {}
        for event in events:
            self._by_session.setdefault(event.session, []).append(event)

    def of(self, session: str | None) -> Sequence[Event]:
        return self.events if session is None else self._by_session.get(session, ())

    @property
    def sessions(self) -> Sequence[str]:
        return list(self._by_session)


class _Waiters:
    """Followers waiting for events of one session, or of any session; `position` is where they stood when they were
    woken."""

    def __init__(self) -> None:
        self.count = 0
        self.position = 0
        self.woken = trio.Event()


class EventTail:
    """The events stored last. `run` feeds the tail and reads only while a follower waits."""

    def __init__(self, store: Store, signals: Signals) -> None:
        self._store = store
        self._signals = signals
        self._pages: deque[_Page] = deque()
        self._kept = 0
        self._bytes = 0
        self._waiting: dict[str | None, _Waiters] = {}
        self._wanted = trio.Event()
        self._looked_at = -float("inf")
        self._covering = False
        self._ended = False
        self._floor = 0  # every stored event with an id above this, up to `last`, is kept
        self._erasures = signals.erased.version
        self.past = SharedPages(store, signals, BEHIND)
        """Pages for followers of all events that the tail does not cover."""
        self.last = 0
        """A read from the store now finds every event up to this id."""

    def covers(self, position: int) -> bool:
        """True when a follower that has seen everything up to `position` can continue from memory."""
        if self._erasures != self._signals.erased.version:
            self._erasures = self._signals.erased.version
            self._drop_pages()  # an erased event must not come out of memory
        return self._covering and position >= self._floor

    def after(self, position: int, session: str | None, limit: int) -> list[Event]:
        """The first kept events of `session` (None: of all sessions) after a position that is covered."""
        first = len(self._pages)
        while first and self._pages[first - 1].last > position:  # almost every follower needs only the last page
            first -= 1
        found: list[Event] = []
        for page in islice(self._pages, first, None):
            events = page.of(session)
            found += events if page.before >= position else [event for event in events if event.id > position]
            if len(found) >= limit:
                break
        return found[:limit]

    async def newer_than(self, position: int, session: str | None) -> int:
        """Wait until there may be an event of `session` after `position`; returns the position to continue from.

        A follower of one session is not woken by events of other sessions, and it misses none of its own while it
        waits. It therefore continues from the position of the tail just before the event that woke it, however far that
        is. Raises StoreUnavailable once the engine has closed.
        """
        if self._ended:
            raise StoreUnavailable("the engine is closed: it reads no more events")
        if position < self.last:
            await trio.lowlevel.checkpoint()
            return position
        waiters = self._waiting.get(session)
        if waiters is None:
            waiters = self._waiting[session] = _Waiters()
        waiters.count += 1
        self._wanted.set()
        try:
            await waiters.woken.wait()
        finally:
            waiters.count -= 1
            if not waiters.count and self._waiting.get(session) is waiters:
                del self._waiting[session]
        return max(position, waiters.position)

    async def run(self) -> None:
        """Feed the tail until cancelled.

        Store errors are left to the followers: they are woken and get the error when they read for themselves.
        """
        try:
            while True:
                if not self._waiting:
                    await self._until_wanted()
                try:
                    await self._read()
                except StoreError:
                    self._let_go()
                    await trio.sleep(POLL_INTERVAL)
        finally:
            self._ended = True
            self._let_go()

    async def _until_wanted(self) -> None:
        self._wanted = trio.Event()
        with trio.move_on_after(STALE):
            await self._wanted.wait()
            return
        self._drop_pages()  # there are no followers: release the memory
        self.past.forget()
        await self._wanted.wait()

    async def _read(self) -> None:
        version = self._signals.events.version
        if not self._covering or trio.current_time() > self._looked_at + STALE:
            newest = await self._store.last_event_id()
            if not self._covering or newest > self.last + PAGE:
                self._begin(newest)
        erasures = self._signals.erased.version
        page = await self._store.read_events(EventQuery(after=self.last, limit=PAGE))
        if erasures != self._signals.erased.version:
            self._let_go()
        elif page:
            self._publish(page)
        else:
            with trio.move_on_after(POLL_INTERVAL if self._store.shared else float("inf")):
                await self._signals.events.newer_than(version)
        self._looked_at = trio.current_time()

    def _drop_pages(self) -> None:
        self._covering = False
        self._pages.clear()
        self._kept = self._bytes = 0

    def _begin(self, newest: int) -> None:
        self._drop_pages()
        self._floor = self.last = max(newest, self.last)
        self._covering = True
        self._wake_all()  # the events that they wait for may already be stored

    def _let_go(self) -> None:
        self._covering = False
        self._wake_all()

    def _publish(self, events: Sequence[Event]) -> None:
        page = _Page(self.last, events)
        self._pages.append(page)
        self._kept += len(events)
        self._bytes += page.size
        self.last = page.last
        while self._kept > KEPT or self._bytes > KEPT_BYTES:
            gone = self._pages.popleft()
            self._kept -= len(gone.events)
            self._bytes -= gone.size
            self._floor = gone.last
        for session in (None, *page.sessions):
            self._wake(session, page.before)

    def _wake_all(self) -> None:
        for session in list(self._waiting):
            self._wake(session, 0)

    def _wake(self, session: str | None, position: int) -> None:
        if waiters := self._waiting.pop(session, None):
            waiters.position = position
            waiters.woken.set()
