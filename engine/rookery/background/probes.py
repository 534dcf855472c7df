"""Finds connections that are up but dead, by probing them (G1, G2).

Two checks per session: a quick look that causes no traffic (`SelfAware`, `Checkable`), and a deep one that is a round trip
on the application path (`Probeable`). Silence alone does not mean that a link is dead: only failed checks count, and only
several in a row restart the link. A link that gets such answers anyway (`SelfProving`) is probed when none came for a whole
interval, and now and then.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from heapq import heappop, heappush

import msgspec
import trio

from ..errors import ProbeFailed, RateLimited
from ..log import get_logger
from ..provider.capabilities import Checkable, Probeable, SelfAware, SelfProving
from ..provider.contract import Link
from ..runtime.clock import beat_after
from ..services import Services
from ..session.runner import SessionRunner

TICK = 1.0  # seconds; sessions that become due within this time are checked together
BEATS = 3
"""Quick checks that cost no traffic are done at this many moments in `health_interval`, which other periodic tasks share."""
CONCURRENCY = 16
"""Maximum number of concurrent probes that may still be answered soon."""

TURN = 0.25
"""Seconds after which an unanswered probe makes room for the next one. From then on it only waits, so a thousand dead
sessions are found in about the time of one."""

RARELY = 10
"""A link that proves itself is probed once in this many intervals: a probe measures the latency, which other traffic does
not."""

log = get_logger("HEALTH")


class CheckResult(msgspec.Struct, frozen=True):
    """The check of one session. `ok` is None when the session has no link, when its link cannot be checked, or when the
    platform asked for a pause (`error`)."""

    session: str
    kind: str
    ok: bool | None
    latency: float | None = None
    error: str | None = None


class _Watch(msgspec.Struct, eq=False):
    """What the checker remembers about one link between its checks. The abilities are kept here because asking a runtime
    protocol takes longer than a quick check."""

    link: Link
    quick_at: float
    deep_at: float
    aware: SelfAware | None  # the link, if it knows at once what is wrong with it
    checkable: Checkable | None
    probeable: Probeable | None
    proving: SelfProving | None
    probed_at: float  # when the last probe that was not skipped was due
    failures: dict[str, int] | None = None
    """Consecutive failures by kind: a success of one kind does not reset the other. None before the first."""
    turn: trio.Lock | None = None  # while it is being probed: a session is never probed twice at once

    @property
    def due_at(self) -> float:
        return min(self.quick_at, self.deep_at)


class HealthChecker:
    """Owned by the engine. `running` is the supervisor's own dictionary."""

    def __init__(
        self,
        running: Mapping[str, SessionRunner],
        services: Services,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._running = running
        self._services = services
        self._settings = services.settings
        self._uniform = uniform
        self._watches: dict[str, _Watch] = {}
        self._due: list[tuple[float, int, str, _Watch]] = []  # a heap; entries of links that ended are skipped
        self._entries = 0  # number of entries ever made: it orders two that are due at the same time
        self._turns: dict[object, float] = {}  # probes in their first seconds, oldest first, and when they began
        self._queue = trio.Lock()  # held by the next of the probes that wait for a turn
        self._turn_ended = trio.Event()
        self._beat = services.settings.health_interval / BEATS

    async def run(self) -> None:
        """Run until cancelled. A new link is first checked after the warm-up, then at its own point in the interval, so
        that a thousand sessions that started together are not probed together. All sessions are looked at only when one
        has changed, and about once in an interval in case a change was missed."""
        sessions = self._services.signals.sessions
        seen, look_at = -1, 0.0
        async with trio.open_nursery() as nursery:
            while True:
                version, now = sessions.version, trio.current_time()
                if version != seen or now >= look_at:
                    self._follow(now)
                    seen, look_at = version, now + self._settings.health_interval
                self._check_due(now, nursery)
                with trio.move_on_at(max(self._due[0][0], now + TICK) if self._due else look_at) as waiting:
                    await sessions.newer_than(version)
                if not waiting.cancelled_caught:
                    await trio.sleep(TICK)  # more sessions may change at the same time

    def _check_due(self, now: float, nursery: trio.Nursery) -> None:
        """Check every link that is due. Only those that have to wait for an answer get a task."""
        while self._due and self._due[0][0] <= now:
            _, _, id, watch = heappop(self._due)
            if self._watches.get(id) is not watch or self._link(id) is not watch.link:
                continue
            if watch.turn is not None:  # it is being probed right now
                self._put(now + TICK, id, watch)
                continue
            deep = self._is_deep_due(watch, now)
            if deep:
                watch.deep_at = now + self._settings.deep_check_interval
                watch.probed_at = now
            due = deep or now >= watch.quick_at
            if due:
                watch.quick_at = now + self._settings.health_interval
                if watch.aware is not None:
                    watch.quick_at = beat_after(watch.quick_at - self._beat / 2, self._beat)
            self._put(watch.due_at, id, watch)
            if not due:
                continue
            if watch.aware is not None and not (deep and watch.probeable is not None):
                self._judge(id, watch, _glance(id, watch.aware))
            elif watch.checkable is not None or watch.probeable is not None:
                nursery.start_soon(self._check, id, watch, deep)

    def _is_deep_due(self, watch: _Watch, now: float) -> bool:
        """A probe is put off while the link proves itself: it is due an interval after the last answer, so that a dead link
        is found as early as with probes alone."""
        interval = self._settings.deep_check_interval
        # What failed is something that the other traffic does not show.
        if watch.proving is not None and (watch.failures is None or "deep" not in watch.failures):
            if now - watch.probed_at >= RARELY * interval:
                return True
            watch.deep_at = max(watch.deep_at, watch.proving.answered_at + interval)
        return now >= watch.deep_at

    def _put(self, at: float, id: str, watch: _Watch) -> None:
        self._entries += 1
        heappush(self._due, (at, self._entries, id, watch))

    async def check_now(self, ids: Collection[str] | None = None) -> list[CheckResult]:
        """Probe sessions at once: all that run here, or the given ones. The results count like those of the periodic
        checks."""
        self._follow(trio.current_time())
        results: list[CheckResult] = []

        async def one(id: str) -> None:
            watch = self._watches.get(id)
            results.append(await self._check(id, watch, True) if watch else CheckResult(id, "deep", None))

        async with trio.open_nursery() as nursery:
            for id in sorted(self._running if ids is None else ids):
                nursery.start_soon(one, id)
        return sorted(results, key=lambda result: result.session)

    def _follow(self, now: float) -> None:
        """Keep one watch per link that is up."""
        for id in [id for id, watch in self._watches.items() if self._link(id) is not watch.link]:
            del self._watches[id]
        if len(self._due) > 2 * len(self._watches) + CONCURRENCY:  # links that end before they are due
            self._due = sorted(entry for entry in self._due if self._watches.get(entry[2]) is entry[3])
        s = self._settings
        for id in self._running:
            link = self._link(id)
            if link is None or id in self._watches:
                continue
            first = now + s.health_warmup
            watch = self._watches[id] = _Watch(
                link,
                first + self._uniform(0, s.health_interval),
                first + self._uniform(0, s.deep_check_interval),
                link if isinstance(link, SelfAware) else None,
                link if isinstance(link, Checkable) else None,
                link if isinstance(link, Probeable) else None,
                link if isinstance(link, SelfProving) else None,
                now - self._uniform(0, (RARELY - 1) * s.deep_check_interval),  # they started together
            )
            if watch.aware is not None:
                watch.quick_at = beat_after(max(first, watch.quick_at - self._beat), self._beat)
            self._put(watch.due_at, id, watch)

    def _link(self, id: str) -> Link | None:
        runner = self._running.get(id)
        return runner.link if runner is not None else None

    async def _check(self, id: str, watch: _Watch, deep: bool) -> CheckResult:
        turn = watch.turn = watch.turn or trio.Lock()
        try:
            async with turn:
                result = await self._ask(id, watch, deep)
        finally:
            if not turn.locked():
                watch.turn = None
        self._judge(id, watch, result)
        return result

    def _judge(self, id: str, watch: _Watch, result: CheckResult) -> None:
        """Count the result of a check; a link that failed too often ends."""
        runner = self._running.get(id)
        if result.ok is None or runner is None or runner.link is not watch.link:
            return
        self._services.telemetry.count("probes", runner.session.platform, result.kind, "ok" if result.ok else "failed")
        if result.ok:
            if watch.failures is not None:
                watch.failures.pop(result.kind, None)
            if result.latency is not None:
                life = runner.inbox.life
                life.last_probe = self._services.clock()
                life.probe_latency = result.latency
                self._services.telemetry.observe("probe", result.latency, runner.session.platform, result.kind)
            return
        if watch.failures is None:
            watch.failures = {}
        failures = watch.failures[result.kind] = watch.failures.get(result.kind, 0) + 1
        log.warning("a check failed", session=id, kind=result.kind, failures=failures, error=result.error)
        if failures >= self._settings.probe_failures:
            runner.fail(ProbeFailed(f"{failures} health checks failed in a row: {result.error}"))

    async def _ask(self, id: str, watch: _Watch, deep: bool) -> CheckResult:
        kind = "deep" if deep and watch.probeable is not None else "quick"
        if kind == "quick" and watch.aware is not None:
            return _glance(id, watch.aware)
        if kind == "quick" and watch.checkable is None:
            return CheckResult(id, kind, None)
        turn = object()
        await self._take(turn)
        try:
            return await self._answer(id, kind, watch)
        finally:
            self._turns.pop(turn, None)
            self._turn_ended.set()

    async def _take(self, turn: object) -> None:
        """Wait until fewer than `CONCURRENCY` probes are in their first seconds."""
        async with self._queue:
            while len(self._turns) >= CONCURRENCY:
                oldest, began = next(iter(self._turns.items()))
                self._turn_ended = trio.Event()
                with trio.move_on_at(began + TURN) as scope:
                    await self._turn_ended.wait()
                if scope.cancelled_caught:
                    self._turns.pop(oldest, None)
            self._turns[turn] = trio.current_time()

    async def _answer(self, id: str, kind: str, watch: _Watch) -> CheckResult:
        started = trio.current_time()
        try:
            with trio.fail_after(self._settings.probe_timeout):
                if kind == "deep" and watch.probeable is not None:
                    await watch.probeable.probe()
                elif watch.checkable is not None:
                    await watch.checkable.check()
        except trio.TooSlowError:
            return CheckResult(id, kind, False, error=f"no answer within {self._settings.probe_timeout:g} s")
        except RateLimited as error:  # the peer answered, so the link is alive
            return CheckResult(id, kind, None, error=str(error))
        except Exception as error:
            return CheckResult(id, kind, False, error=str(error) or type(error).__name__)
        latency = trio.current_time() - started
        return CheckResult(id, kind, True, latency if kind == "deep" else None)


def _glance(id: str, link: SelfAware) -> CheckResult:
    try:
        fault = link.fault()
    except Exception as error:
        fault = str(error) or type(error).__name__
    return CheckResult(id, "quick", fault is None, error=fault)
