"""The getUpdates calls of one bot: decides which waits, which gets an answer, which ends with a conflict; pure, no I/O.

The rules are those of `process_get_updates_query`, `do_get_updates`, `abort_long_poll` and `fail_query_conflict` in
tdlib/telegram-bot-api:

- at most one call waits for a bot; it is ended with a conflict only by a newer call that has to wait too;
- a call that finds updates, or does not want to wait, is answered at once and ends no other call;
- the same offset again within 3 s with a timeout below 3 s waits 3 s; within 0.5 s it gets one update only;
- within 3 s of a conflict the server holds further conflicts back for 3 s before it answers them;
- a client that hung up leaves its call waiting until its timeout or the next update; it takes no updates.

Every call is also kept as an interval, so that a test can check that two calls never overlapped. Times are seconds;
`now` is unix time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from ..settings import Settings
from .update_queue import UpdateQueue

TERMINATED_BY_POLL = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
TERMINATED_BY_WEBHOOK = "Conflict: terminated by setWebhook request"
WEBHOOK_IS_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


class Conflict(NamedTuple):
    """A 409 that was decided: when, why, for which call, and whether that call's client was still there."""

    at: float
    description: str
    poll: int
    was_heard: bool


class Poll:
    """One getUpdates call, from its arrival to its end.

    `outcome` is empty while the call lasts, then `answered`, `empty`, `conflict`, `hung_up` (the client left first),
    `dropped` (a fault cut it off) or `failed` (any other error). `released_at` is when a conflict may be answered.
    `offset` is as the client sent it, `start` what the server made of it. `wake` ends the wait of the task that handles
    the call, `probe` says whether its client has hung up.
    """

    __slots__ = (
        "arrived_at",
        "deadline",
        "ended_at",
        "failure",
        "limit",
        "number",
        "offset",
        "outcome",
        "probe",
        "released_at",
        "result",
        "start",
        "timeout",
        "update_count",
        "wake",
    )

    def __init__(self, number: int, now: float) -> None:
        self.number = number
        self.arrived_at = now
        self.ended_at: float | None = None
        self.outcome = ""
        self.offset = 0
        self.start = 0
        self.limit = 0
        self.timeout = 0.0
        self.update_count = 0
        self.deadline = now
        self.result: bytes | None = None
        self.failure: tuple[int, str] | None = None
        self.released_at = now
        self.wake: Callable[[], None] | None = None
        self.probe: Callable[[], bool] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there is neither a result nor a failure yet."""
        return self.result is None and self.failure is None

    @property
    def result_name(self) -> str:
        """The outcome of a call whose answer is ready: `answered`, `empty`, `conflict` or `failed`."""
        if self.result is not None:
            return "answered" if self.update_count else "empty"
        return "conflict" if self.failure is not None and self.failure[0] == 409 else "failed"


class PollDesk:
    """Decides about the getUpdates calls of one bot.

    `open` notes a call's arrival and `close` its end; in between, `receive` decides and, when the call waits, `finish`
    gives its answer once it was woken or its deadline has passed.
    """

    def __init__(self, queue: UpdateQueue, settings: Settings) -> None:
        self._queue = queue
        self._settings = settings
        self._previous_offset = 0
        self._previous_at = float("-inf")
        self._next_conflict_at = float("-inf")
        self._waiting: Poll | None = None
        self._open: set[Poll] = set()
        self.history: deque[Poll] = deque(maxlen=settings.history)
        self.count = 0
        self.max_simultaneous = 0
        self.conflicts: list[Conflict] = []
        self.outcomes: Counter[str] = Counter()
        self.last_offset: int | None = None
        """The offset of the last call, as the client sent it."""

    @property
    def in_flight(self) -> int:
        """How many calls have arrived and have neither been answered nor lost their client."""
        return len(self._open)

    @property
    def open_polls(self) -> tuple[Poll, ...]:
        """The calls that `in_flight` counts."""
        return tuple(self._open)

    @property
    def has_waiting(self) -> bool:
        """Whether a call waits for updates and its client is still there."""
        return self._waiting is not None and self._waiting in self._open

    def open(self, now: float) -> Poll:
        """Note that a getUpdates call arrived."""
        for other in self.open_polls:
            # A client that gave up a call and made a new one at once may be seen in the other order.
            if other.probe is not None and other.probe():
                self.close(other, now, "hung_up")
        self.count += 1
        poll = Poll(self.count, now)
        self._open.add(poll)
        self.history.append(poll)
        self.max_simultaneous = max(self.max_simultaneous, len(self._open))
        return poll

    def close(self, poll: Poll, now: float, outcome: str) -> None:
        """Note that the call was answered or lost its client; only the first end counts."""
        poll.wake = poll.probe = None
        if poll in self._open:
            self._open.discard(poll)
            poll.ended_at = now
            poll.outcome = outcome
            self.outcomes[outcome] += 1

    def receive(self, poll: Poll, offset: int, limit: int, timeout: float, now: float) -> None:
        """Decide about a call: afterwards it has a result or is registered as the one that waits."""
        settings = self._settings
        timeout = min(max(timeout, 0), settings.max_poll_timeout)
        limit = min(max(limit, 1), 100)
        if offset == self._previous_offset:
            if timeout < settings.repeat_wait and now < self._previous_at + settings.repeat_wait:
                timeout = settings.repeat_wait
            if now < self._previous_at + settings.repeat_single:
                limit = 1
        self._previous_offset = self.last_offset = offset
        self._previous_at = now
        poll.offset = poll.start = offset
        poll.limit, poll.timeout = limit, timeout
        self._decide(poll, timeout, now)

    def refuse(self, poll: Poll, now: float, description: str) -> None:
        """End a call with a conflict, answered now or, shortly after another conflict, later."""
        self.conflicts.append(Conflict(now, description, poll.number, poll in self._open))
        poll.failure = (409, description)
        if now >= self._next_conflict_at:
            poll.released_at = now
            self._next_conflict_at = now + self._settings.conflict_hold
        else:
            poll.released_at = now + self._settings.conflict_hold
        if poll.wake is not None:
            poll.wake()

    def finish(self, poll: Poll, now: float) -> None:
        """Give a call that waited its answer, be it empty; nothing happens if it already has one."""
        if poll.is_waiting:
            if self._waiting is poll:
                self._waiting = None
            self._decide(poll, 0, now)

    def fail_waiting(self, code: int, description: str, now: float) -> None:
        """End the waiting call, if any, because of setWebhook (409), logOut or close."""
        poll = self._current_waiting(now)
        if poll is None:
            return
        self._waiting = None
        if code == 409:
            self.refuse(poll, now, description)
            return
        poll.failure = (code, description)
        if poll.wake is not None:
            poll.wake()

    def updates_arrived(self, now: float) -> None:
        """Wake the call that waits; one whose client is gone ends without taking anything."""
        poll = self._current_waiting(now)
        if poll is None:
            return
        if poll.wake is not None:
            poll.wake()
        elif poll not in self._open:
            self._waiting = None

    def _current_waiting(self, now: float) -> Poll | None:
        poll = self._waiting
        if poll is not None and poll not in self._open and now >= poll.deadline:
            # Its client is gone, so no task noticed the timeout.
            self._waiting = poll = None
        return poll

    def _decide(self, poll: Poll, timeout: float, now: float) -> None:
        batch = self._queue.take(poll.start, poll.limit, now)
        if timeout and not batch:
            older = self._current_waiting(now)
            if older is not None:
                self.refuse(older, now, TERMINATED_BY_POLL)
            if poll.start <= 0:
                # The server resolves the head once; a negative offset must not destroy again when the call is woken.
                poll.start = self._queue.head
            poll.deadline = now + timeout
            self._waiting = poll
            return
        poll.update_count = len(batch)
        poll.result = b"[" + b",\n".join([update.encoded for update in batch]) + b"]"
