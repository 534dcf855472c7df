"""Watches the machine's clock and says whether this instance may rely on it for deletion and other timed work."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from ..log import get_logger
from ..model.instance import Instance
from ..runtime.clock import BEAT, EngineClock, next_beat
from ..settings import EngineSettings

LOOK_INTERVAL = BEAT
NOTEWORTHY = 2.0
"""A difference of this many seconds or more is logged."""

SETTLED = 86_400.0
"""Seconds after which the watch accepts a clock that was set forward: long enough for a person to see the warning."""

log = get_logger("HEALTH")


class ClockWatch:
    """Owned by the engine. `others` returns the other live instances.

    On a shared store every stored time is the database's, so a wrong clock here harms nothing. Beyond
    `settings.clock_skew_limit` the instance still leaves duties to the others, as long as one of them has a better
    clock. On an unshared store, a clock that jumps forward stops all deletion by age until the clock is corrected or
    the watch accepts it.
    """

    def __init__(
        self,
        clock: EngineClock,
        settings: EngineSettings,
        *,
        shared: bool,
        others: Callable[[], Iterable[Instance]],
    ) -> None:
        self._clock = clock
        self._limit = settings.clock_skew_limit
        self._shared = shared
        self._others = others
        self._logged = 0.0  # the difference in the last log line
        self._base: float | None = None  # our time minus trio's, as last accepted
        self._stepped_at: float | None = None

    @property
    def skew(self) -> float:
        """Seconds by which the machine's clock is ahead of the reference time; after the clock was set forward, the
        size of that jump."""
        return self._clock.skew if self._shared else self._jump() or self._clock.skew

    @property
    def may_do_duties(self) -> bool:
        """False while this instance should leave time-dependent work to the others."""
        if not self._shared:
            return True
        if abs(self.skew) <= self._limit:
            return True
        return not any(abs(one.clock_skew) <= self._limit and not one.draining for one in self._others())

    @property
    def may_delete(self) -> bool:
        """False while nothing may be deleted because of its age."""
        return self.may_do_duties and (self._shared or not self._jump())

    @property
    def warning(self) -> str | None:
        """One sentence when the machine's clock is noticeably wrong, otherwise None."""
        skew = self.skew
        if abs(skew) < NOTEWORTHY:
            return None
        if self._shared:
            way = "ahead of" if skew > 0 else "behind"
            sentence = f"this machine's clock is {abs(skew):.1f} s {way} the database's"
            return sentence if self.may_do_duties else f"{sentence}; other instances do its duties"
        if skew > 0:
            return f"this machine's clock was set forward by {skew:.1f} s; nothing is deleted by age for a day"
        return f"this machine's clock was set back by {-skew:.1f} s; a restart takes over the new time"

    async def run(self) -> None:
        """Log changes until cancelled."""
        while True:
            self.look()
            await next_beat(LOOK_INTERVAL)

    def look(self) -> None:
        """Check the clock once."""
        self._jump()
        skew = self.skew
        if abs(skew - self._logged) < max(NOTEWORTHY, abs(self._logged) / 2):
            return
        if warning := self.warning:
            self._logged = skew
            tell = log.error if abs(skew) > self._limit else log.warning
            tell(warning, clock_skew=round(skew, 1), limit=self._limit)
        elif self._logged:
            self._logged = 0.0
            log.info("this machine's clock is right again", clock_skew=round(skew, 1))

    def _jump(self) -> float:
        """Seconds by which our time has jumped forward and which are not accepted yet; 0 without a jump."""
        now, at = self._clock(), trio.current_time()
        if self._base is None or now - at < self._base:
            self._base = now - at
        ahead = now - at - self._base
        if ahead <= self._limit:
            self._stepped_at = None
            return 0.0
        if self._stepped_at is None:
            self._stepped_at = at
        if at - self._stepped_at >= SETTLED:
            self._base, self._stepped_at = now - at, None
            return 0.0
        return ahead
