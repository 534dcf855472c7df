"""This engine's membership on a shared store: reports that it is alive and knows its share of the sessions (E5)."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.instance import Census, Instance
from ..runtime.clock import EngineClock
from ..services import Services
from .shares import fair_shares, surplus

MISSED_BEATS = 3
"""An instance counts as gone after this many missed beats. That is sooner than its leases expire, so that the others
know their new share by then."""

REFRESH_INTERVAL = 0.1  # minimum seconds between two beats, however many callers ask for one
BEAT_TIMEOUT = 5.0  # seconds
UNLIMITED = 2**31

LEVELLING_PAUSE, LEVELLING_PAUSE_MAX = 20.0, 600.0
"""Seconds without levelling after another instance failed to take sessions of its share. That instance is either dead,
which shows within this time, or stuck, so each further pause is twice as long."""

CALM = 2.0
"""After this many pauses without another failure, the next pause is short again."""

log = get_logger("SESSION")


class Membership:
    """Owned by the engine. `sessions` returns how many sessions run here; `on_change` is called when more may be
    claimed.

    Each beat also sets `clock` by the store's time.
    """

    def __init__(
        self,
        name: str,
        started_at: Callable[[], float],
        services: Services,
        clock: EngineClock,
        sessions: Callable[[], int],
        on_change: Callable[[], None],
    ) -> None:
        self.draining = False
        self.census = Census(instances=(Instance(name=name),))
        self._name = name
        self._started_at = started_at
        self._clock = clock
        self._store = services.store
        self._settings = services.settings
        self._sessions = sessions
        self._on_change = on_change
        self._wake = trio.Event()
        self._beaten = trio.Event()
        self._beat_at = -float("inf")
        self._left_lying = False
        self._level_after = -float("inf")
        self._pause = LEVELLING_PAUSE

    @property
    def others(self) -> list[Instance]:
        """The other live instances."""
        return [instance for instance in self.census.instances if instance.name != self._name]

    @property
    def room(self) -> int:
        """How many more sessions this instance should claim now.

        Beyond its share it takes only sessions that have been free for a while: the instance that should take them
        lacks room or misses them.
        """
        if self.draining:
            return 0
        takers = self.census.takers
        if all(taker.name == self._name for taker in takers):
            return UNLIMITED
        if self._left_lying:
            return UNLIMITED
        return fair_shares(takers, self.census.wanted).get(self._name, 0) - self._sessions()

    @property
    def _full(self) -> bool:
        limit = self._settings.max_concurrent_sessions
        return self.draining or (limit is not None and self._sessions() >= limit)

    @property
    def surplus(self) -> int:
        """How many sessions this instance should hand over now."""
        if self.draining:
            return self._sessions()
        if trio.current_time() < self._level_after:
            return 0
        return surplus(self.census, self._name, self._sessions())

    @property
    def capacity(self) -> int | None:
        """Maximum number of sessions that all instances together may run; None: no limit."""
        total = 0
        for taker in self.census.takers:
            if taker.capacity is None:
                return None
            total += taker.capacity
        return total

    def drain(self) -> None:
        """Take no more sessions from now on, and notify the other instances."""
        self.draining = True
        self.nudge()

    def nudge(self) -> None:
        """Something may have changed: beat soon."""
        self._wake.set()

    async def refresh(self) -> None:
        """Return when the census is up to date, or after a while when the store does not answer."""
        asked = trio.current_time()
        with trio.move_on_after(BEAT_TIMEOUT):
            while self._beat_at < asked:
                self.nudge()
                await self._beaten.wait()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._wake = trio.Event()
            try:
                with trio.fail_after(BEAT_TIMEOUT):
                    await self.beat()
            except (StoreError, trio.TooSlowError) as error:
                log.warning("the list of instances cannot be read", error=str(error))
            await trio.sleep(REFRESH_INTERVAL)
            pause = self._settings.cluster_poll_interval
            if self.census.free and not self._full:  # an instance has to take these sessions soon
                pause = min(pause, self._settings.claim_patience / 2)
            with trio.move_on_after(pause):
                await self._wake.wait()

    async def beat(self) -> None:
        """Report that this instance is alive and fetch the other live instances. Raises StoreError."""
        started = trio.current_time()
        me = Instance(
            name=self._name,
            draining=self.draining,
            sessions=self._sessions(),
            capacity=self._settings.max_concurrent_sessions,
            started_at=self._started_at(),
            clock_skew=self._clock.skew,
        )
        before, self.census = (
            self.census,
            await self._store.beat(
                me,
                ttl=MISSED_BEATS * self._settings.cluster_poll_interval,
                patience=self._settings.claim_patience,
            ),
        )
        if self.census.now is not None:
            self._clock.measure(self.census.now, began=started, ended=trio.current_time())
        self._beat_at = started
        # Beat twice in a row, so that instances that start together after a long break begin with their shares.
        before_lying, self._left_lying = self._left_lying, bool(before.overdue and self.census.overdue)
        if self._left_lying and not before_lying:
            self._put_levelling_off(started)
        self._beaten.set()
        self._beaten = trio.Event()
        if {one.name for one in before.takers} != {one.name for one in self.census.takers}:
            log.info(
                "the instances have changed",
                instances=[one.name for one in self.census.instances],
                draining=[one.name for one in self.census.instances if one.draining],
            )
        if self.census.free and not self._full and self.room > 0:
            self._on_change()

    def _put_levelling_off(self, now: float) -> None:
        if now > self._level_after + CALM * self._pause:
            self._pause = LEVELLING_PAUSE
        elif now >= self._level_after:
            self._pause = min(2 * self._pause, LEVELLING_PAUSE_MAX)
        self._level_after = now + self._pause

    async def leave(self) -> None:
        """Report to the other instances that this one is gone. The caller sets the deadline."""
        try:
            await self._store.leave(self._name)
        except StoreError as error:
            log.warning("the other instances could not be notified", error=str(error))
