"""Wake-ups between tasks of one engine. A task that wakes up looks at the store, which is the source of truth."""

from __future__ import annotations

from math import inf

import trio

from ..model.message import MessageState, SendOutcome


class Flag:
    """A `trio.Event` that takes 48 bytes instead of 272 as long as no task waits for it: an idle session has several."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._event: trio.Event | None = None
        self._is_set = False

    def set(self) -> None:
        """Wake every task that waits, now or later. Never blocks."""
        self._is_set = True
        if self._event is not None:
            self._event.set()

    async def wait(self) -> None:
        """Return once it is set."""
        if self._event is None:
            self._event = trio.Event()
            if self._is_set:
                self._event.set()
        await self._event.wait()


class Signal:
    """A change. Any number of tasks may wait for it. A change between two looks is never missed if the waiter takes
    `version` before it looks and then waits for a newer one."""

    def __init__(self) -> None:
        self.version = 0
        self._event: trio.Event | None = None  # made when a task waits

    def fire(self) -> None:
        """Wake all waiting tasks. Never blocks."""
        self.version += 1
        event, self._event = self._event, None
        if event is not None:
            event.set()

    async def newer_than(self, version: int) -> None:
        """Return as soon as `version` is outdated; at once if it already is."""
        if self.version == version:
            if self._event is None:
                self._event = trio.Event()
            await self._event.wait()
        else:
            await trio.lowlevel.checkpoint()


class MessageWatch(Signal):
    """The one signal with data: it carries the state that was stored last, which saves every send a read from the
    store."""

    def __init__(self, id: str, watched: dict[str, MessageWatch]) -> None:
        super().__init__()
        self.outcome: SendOutcome | None = None
        self.doubts = 0  # how often its watchers were asked to read the message
        self.beginnings = 0  # how often it was stored as SENDING since the watch began
        self.id = id
        self._watched = watched
        self._watchers = 0

    def __enter__(self) -> MessageWatch:
        self._watchers += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._watchers -= 1
        if not self._watchers:
            self._watched.pop(self.id, None)


class Signals:
    """The wake-ups of one engine."""

    def __init__(self) -> None:
        self.events = Signal()  # the event log grew
        self.sessions = Signal()  # a stored session changed
        self.schedule = Signal()  # a message was scheduled for a time before `next_release`
        self.next_release = inf  # wall time of the next look at scheduled messages; infinite: not known yet
        self.is_schedule_doubtful = False  # scheduled messages may appear that this engine knows nothing of
        self.backlog = Signal()  # a session waits until its backlog is counted
        self.uncounted = Signal()  # the backlog of a session is unknown; it may or may not wait
        self.sends = Signal()  # a message or its state is written
        self.webhooks = Signal()  # webhooks or their dead letters changed
        self.erased = Signal()  # a chat was erased: copies of its events in memory must be dropped
        self.is_closed = False  # no session runs any more, and none will
        self._messages: dict[str, MessageWatch] = {}
        self._stored: set[str] | None = None

    def events_stored(self, session: str | None) -> None:
        """The event log grew; None when the sessions of the new events are unknown."""
        if session is None:
            self._stored = None
        elif self._stored is not None:
            self._stored.add(session)
        self.events.fire()

    def take_stored(self) -> set[str] | None:
        """The sessions with new events since the last call; None for any. Used by the dispatcher, which wakes only
        their webhooks."""
        stored, self._stored = self._stored, set()
        return stored

    def message_changed(self, outcome: SendOutcome) -> None:
        """A state of an outbound message was stored: wake the tasks that wait for it."""
        if watch := self._messages.get(outcome.id):
            watch.outcome = outcome
            if outcome.state is MessageState.SENDING:
                watch.beginnings += 1
            watch.fire()

    def message_final(self, id: str) -> None:
        """Another engine finished this message: wake the tasks that wait for it, so that they read it."""
        if watch := self._messages.get(id):
            watch.fire()

    @property
    def is_watched(self) -> bool:
        """Whether a task waits for a message."""
        return bool(self._messages)

    def doubt_messages(self) -> None:
        """Let the tasks that wait for a message read it: this process may not have heard of its end."""
        for watch in self._messages.values():
            watch.doubts += 1
            watch.fire()

    def doubt_schedule(self) -> None:
        """The store did not answer when a message was scheduled: it may have been stored, or may be at any later time."""
        self.is_schedule_doubtful = True
        self.schedule.fire()

    def close(self) -> None:
        """The engine has ended its sessions: no task fires these signals any more. Wake the tasks that wait for a
        message, which must look for themselves from now on."""
        self.is_closed = True
        self.doubt_messages()

    def watch(self, id: str) -> MessageWatch:
        """The signal of one outbound message, for as long as a task is inside it (`with signals.watch(id) as
        watch`)."""
        watch = self._messages.get(id)
        if watch is None:
            watch = self._messages[id] = MessageWatch(id, self._messages)
        return watch
