"""One bot's queue of updates with the confirm semantics of the Bot API server; pure, no I/O, no clock of its own.

The rules are those of `TQueue.cpp` in tdlib/td and of `do_get_updates` in tdlib/telegram-bot-api:

- asking for an offset forgets everything below it, there and then;
- an offset of zero or less starts at the head; a negative one first destroys all but the last updates;
- an offset more than 10 above the tail, or more than 100,000 below the head, silently means the head;
- one answer ends at `limit` updates or at 4 MiB, whichever comes first.

Beyond the real server, every update remembers how often it was handed out and when it was confirmed, so that a test
can prove that nothing was lost or asked for twice. Times are seconds; `now` is unix time.
"""

from __future__ import annotations

from collections import deque

MAX_ID = 2_000_000_000
MAX_EVENTS = 100_000
MAX_EVENT_BYTES = 512 * 1024
MAX_TOTAL_BYTES = 128 * 1024 * 1024
MAX_ANSWER_BYTES = 4 * 1024 * 1024
# The server counts this much beside the data of each update when it fills an answer.
ANSWER_OVERHEAD_BYTES = 50
MAX_BEYOND_TAIL = 10

RETENTION: dict[str, float] = {
    "callback_query": 150,
    "shipping_query": 150,
    "pre_checkout_query": 150,
    "inline_query": 30,
    "chosen_inline_result": 600,
}
"""Seconds that an update of a kind is kept; every kind that is not named is kept for 24 hours."""

DEFAULT_RETENTION = 86_400.0


class Update:
    """One update and its whole life: created, handed out any number of times, then confirmed, expired or dropped.

    `encoded` is the JSON object as the client gets it. `end` is empty while the update is queued, later one of
    `confirmed`, `expired`, `dropped` (by drop_pending_updates, a negative offset, logOut or restarted ids).
    """

    __slots__ = (
        "created_at",
        "deliveries",
        "encoded",
        "end",
        "ended_at",
        "expires_at",
        "first_handed_at",
        "id",
        "kind",
    )

    def __init__(self, id: int, kind: str, encoded: bytes, created_at: float, expires_at: float) -> None:
        self.id = id
        self.kind = kind
        self.encoded = encoded
        self.created_at = created_at
        self.expires_at = expires_at
        self.deliveries = 0
        self.first_handed_at: float | None = None
        self.end = ""
        self.ended_at: float | None = None

    def __repr__(self) -> str:
        return f"<Update {self.id} {self.kind} deliveries={self.deliveries} end={self.end or 'queued'}>"


class UpdateQueue:
    """The updates that wait for one bot. `first_id` is the id of the first update ever pushed."""

    def __init__(self, first_id: int, *, history: int = MAX_EVENTS) -> None:
        self._first_id = first_id
        self._events: deque[Update] = deque()
        self._tail = 0
        self._bytes = 0
        self.history: deque[Update] = deque(maxlen=history)
        """The last updates ever pushed, queued or not, oldest first."""
        self.pushed = 0
        self.handed_out = 0
        self.confirmed = 0
        self.refused = 0
        """Updates that the server drops silently: too large, or the queue is full."""

    def __len__(self) -> int:
        return len(self._events)

    @property
    def head(self) -> int:
        """The id of the oldest queued update, the tail when nothing is queued, 0 before the first push."""
        return self._events[0].id if self._events else self._tail

    @property
    def tail(self) -> int:
        """The id that the next update gets, 0 before the first push."""
        return self._tail

    @property
    def next_id(self) -> int:
        """The id that the next `push` will use."""
        return self._tail or self._first_id

    def push(self, kind: str, encoded: bytes, now: float, *, keep_for: float) -> Update | None:
        """Append an update whose `encoded` form already carries `next_id`; None when the server would drop it."""
        size = len(encoded)
        if (
            len(self._events) >= MAX_EVENTS
            or size > MAX_EVENT_BYTES
            or self._bytes > MAX_TOTAL_BYTES - size
            or keep_for <= 0
        ):
            self.refused += 1
            return None
        update = Update(self.next_id, kind, encoded, now, now + keep_for)
        self._tail = update.id + 1
        self._bytes += size
        self._events.append(update)
        self.history.append(update)
        self.pushed += 1
        return update

    def take(self, offset: int, limit: int, now: float) -> list[Update]:
        """Confirm everything below `offset` and return up to `limit` updates from there, counted as handed out."""
        if offset < 0:
            self.drop_all_but(-offset, now)
        if offset > 0 and self.holds(offset):
            events = self._events
            while events and events[0].id < offset:
                self._end(events.popleft(), "confirmed", now)
                self.confirmed += 1
        return self._read(limit, now)

    def holds(self, offset: int) -> bool:
        """True when the server takes `offset` literally; otherwise it means the head."""
        return offset < MAX_ID and self.head - MAX_EVENTS <= offset <= self._tail + MAX_BEYOND_TAIL

    def drop_all_but(self, keep: int, now: float) -> int:
        """Destroy all but the last `keep` updates and return how many were destroyed."""
        dropped = max(0, len(self._events) - keep)
        for _ in range(dropped):
            self._end(self._events.popleft(), "dropped", now)
        return dropped

    def restart_ids(self, first_id: int, now: float) -> None:
        """Go on from another id, as the service does after a week without updates; queued updates are destroyed."""
        self.drop_all_but(0, now)
        self._first_id = first_id
        self._tail = 0

    def expire(self, now: float) -> None:
        """Forget the updates whose time is over, wherever they stand in the queue."""
        kept: deque[Update] = deque()
        for update in self._events:
            if update.expires_at < now:
                self._end(update, "expired", now)
            else:
                kept.append(update)
        self._events = kept

    def _read(self, limit: int, now: float) -> list[Update]:
        batch: list[Update] = []
        room = MAX_ANSWER_BYTES
        seen_expired = False
        for update in self._events:
            if len(batch) == limit:
                break
            if update.expires_at < now:
                seen_expired = True
                continue
            room -= ANSWER_OVERHEAD_BYTES + len(update.encoded)
            if room <= 0:
                break
            batch.append(update)
        if seen_expired:
            self.expire(now)
        for update in batch:
            update.deliveries += 1
            if update.first_handed_at is None:
                update.first_handed_at = now
        self.handed_out += len(batch)
        return batch

    def _end(self, update: Update, end: str, now: float) -> None:
        update.end = end
        update.ended_at = now
        self._bytes -= len(update.encoded)
