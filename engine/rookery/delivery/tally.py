"""Records delivery statistics (counts, a rate and the last outcome) every few seconds for all endpoints, not each
delivery."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec
import trio

from ..errors import RookeryError
from ..model.webhook import ATTEMPTS_KEPT, DeliveryAttempt, DeliveryNote
from ..store.contract.webhooks import WebhookFactsStore

INTERVAL = 2.0  # seconds between two notes
WINDOW = 10
"""Length in seconds of the window over which the rate is computed."""
SAMPLES = 1000
"""Number of recent attempts from which latencies are computed."""


class Tally:
    """Attempts at one endpoint: those since the last note, and the successes of the last few seconds."""

    def __init__(self) -> None:
        self._note = DeliveryNote()  # without what the next three hold
        self._delivered = 0
        self._delivered_at: float | None = None
        self._status: int | None = None
        self._recent: deque[list[int]] = deque()  # [second, successes]
        self._told: float | None = 0.0  # the rate in the last note
        self._attempts: deque[DeliveryAttempt] = deque(maxlen=ATTEMPTS_KEPT)  # since the last note
        self._seconds: deque[float] = deque(maxlen=SAMPLES)

    def add(self, at: float, now: float, attempt: DeliveryAttempt, is_posted: bool) -> None:
        """Count one attempt. It ended at `at` by the wall clock and at `now` by trio's clock. A delivered attempt may
        also carry an error. An attempt that called no endpoint is only counted."""
        if is_posted:
            self._attempts.append(attempt)
            self._seconds.append(attempt.seconds)
        self._status = attempt.status
        if not attempt.delivered:
            self._note = msgspec.structs.replace(
                self._note, last_error=attempt.error, last_error_at=at, failed=self._note.failed + 1
            )
            return
        second = int(now)
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1][1] += 1
        else:
            self._recent.append([second, 1])
            if len(self._recent) > WINDOW + 1:
                self._recent.popleft()
        self._delivered += 1
        self._delivered_at = at
        if attempt.error is not None:
            self._note = msgspec.structs.replace(self._note, last_error=attempt.error, last_error_at=at)

    def add_commands(self, at: float, *, is_accepted: bool, refused: str | None, error: str | None) -> None:
        """Count one command, or note why none can be read (`error`)."""
        old, words = self._note, refused or error
        self._note = msgspec.structs.replace(
            old,
            commands_accepted=old.commands_accepted + is_accepted,
            commands_refused=old.commands_refused + (refused is not None),
            command_error=words or old.command_error,
            command_error_at=at if words else old.command_error_at,
        )

    def rate(self, now: float) -> float:
        """Deliveries per second over the last `WINDOW` seconds."""
        while self._recent and self._recent[0][0] <= int(now) - WINDOW:
            self._recent.popleft()
        return sum(count for _, count in self._recent) / WINDOW

    def leave(self) -> None:
        """Another engine delivers to this endpoint now and reports the rate."""
        self._recent.clear()
        self._told = None

    @property
    def quiet(self) -> bool:
        """True when the last note already says everything, as long as nothing more happens."""
        return not (self._told or self._recent or self._delivered) and self._note == DeliveryNote()

    def take(self, at: float, now: float) -> DeliveryNote:
        """Return the next note and start a new one."""
        note = msgspec.structs.replace(
            self._note, last_success_at=self._delivered_at, last_status=self._status, delivered=self._delivered
        )
        self._note, self._delivered, self._delivered_at, self._status = DeliveryNote(), 0, None, None
        self._told = self.rate(now) if self._recent or self._told is not None else None
        attempts = tuple(self._attempts)
        self._attempts.clear()
        taken = sorted(self._seconds) if attempts else []
        return msgspec.structs.replace(
            note,
            rate=self._told,
            at=at,
            latency_p50=_quantile(taken, 0.5),
            latency_p99=_quantile(taken, 0.99),
            attempts=attempts,
        )


def _quantile(values: list[float], share: float) -> float | None:
    """The smallest of the sorted values that at least this share of them does not exceed."""
    return values[math.ceil(share * len(values)) - 1] if values else None


class Notes:
    """Owned by the dispatcher. A crash loses the counts of the last few seconds; a shutdown writes them."""

    def __init__(self, store: WebhookFactsStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._tallies: dict[str, Tally] = {}
        self._wake = trio.Event()

    def add(self, webhook: str, attempt: DeliveryAttempt, *, at: float, is_posted: bool) -> None:
        """Count one attempt that ended at `at` by the wall clock. `is_posted`: it called the endpoint. Never blocks."""
        tally = self._tallies.get(webhook)
        if tally is None:
            tally = self._tallies[webhook] = Tally()
        tally.add(at, trio.current_time(), attempt, is_posted)
        self._wake.set()

    def add_commands(
        self, sink: str, *, accepted: bool = False, refused: str | None = None, error: str | None = None
    ) -> None:
        """Count one command of a sink: accepted, or refused for this reason; or note why none can be read. Never
        blocks."""
        tally = self._tallies.get(sink)
        if tally is None:
            tally = self._tallies[sink] = Tally()
        tally.add_commands(self._clock(), is_accepted=accepted, refused=refused, error=error)
        self._wake.set()

    def leave(self, webhook: str) -> None:
        """This engine no longer delivers to the webhook, at least for now."""
        if tally := self._tallies.get(webhook):
            tally.leave()

    async def flush(self) -> None:
        """Write the new notes. Notes that the store does not accept are lost; later notes carry on from there."""
        at, now = self._clock(), trio.current_time()
        notes = {id: tally.take(at, now) for id, tally in self._tallies.items() if not tally.quiet}
        for id in list(self._tallies):
            if self._tallies[id].quiet:
                del self._tallies[id]
        if notes:
            with suppress(RookeryError):
                await self._store.note_deliveries(notes)

    async def run(self) -> None:
        """Flush until cancelled. The first note is written at once, so that a new webhook shows its result
        immediately."""
        while True:
            if not self._tallies:
                await self._wake.wait()
            self._wake = trio.Event()
            await self.flush()
            await trio.sleep(INTERVAL)
