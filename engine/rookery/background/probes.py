"""Finds connections that are up but dead, by probing them (G1, G2).

Two checks per session: a quick look that causes no traffic (`Checkable`), and a deep one that is a round trip on the
application path (`Probeable`). Silence alone does not mean that a link is dead: only failed checks count, and only
several in a row restart the link.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping

import msgspec
import trio

from ..errors import ProbeFailed, RateLimited
from ..log import get_logger
from ..provider.capabilities import Checkable, Probeable
from ..provider.contract import Link
from ..services import Services
from ..session.runner import SessionRunner

TICK = 1.0  # seconds; sessions that become due within this time are checked together
CONCURRENCY = 16
"""Maximum number of concurrent probes that may still be answered soon."""

TURN = 0.25
"""Seconds after which an unanswered probe makes room for the next one. From then on it only waits, so a thousand dead
sessions are found in about the time of one."""

log = get_logger("HEALTH")


class CheckResult(msgspec.Struct, frozen=True):
    """The check of one session. `ok` is None when the session has no link, when its link cannot be checked, or when the
    platform asked for a pause (`error`)."""

    session: str
    kind: str
    ok: bool | None
    latency: float | None = None
    error: str | None = None


class _Watch(msgspec.Struct):
    """What the checker remembers about one link between its checks."""

    link: Link
    quick_at: float
    deep_at: float
    failures: dict[str, int] = {}  # consecutive failures by kind: a success of one kind does not reset the other
    turn: trio.Lock = msgspec.field(default_factory=trio.Lock)  # a session is never probed twice at once


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
        self._limiter = trio.CapacityLimiter(CONCURRENCY)

    async def run(self) -> None:
        """Run until cancelled. A new link is first checked after the warm-up, then at its own point in the interval, so
        that a thousand sessions that started together are not probed together."""
        async with trio.open_nursery() as nursery:
            while True:
                version = self._services.signals.sessions.version
                now = trio.current_time()
                self._follow(now)
                for id, watch in self._watches.items():
                    if watch.turn.locked() or now < min(watch.quick_at, watch.deep_at):
                        continue
                    deep = now >= watch.deep_at
                    watch.quick_at = now + self._settings.health_interval
                    if deep:
                        watch.deep_at = now + self._settings.deep_check_interval
                    nursery.start_soon(self._check, id, watch, deep)
                due = [min(watch.quick_at, watch.deep_at) for watch in self._watches.values()]
                with trio.move_on_at(min(due, default=float("inf"))):
                    await self._services.signals.sessions.newer_than(version)
                await trio.sleep(TICK)

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
        s = self._settings
        for id in self._running:
            link = self._link(id)
            if link is not None and id not in self._watches:
                first = now + s.health_warmup
                self._watches[id] = _Watch(
                    link,
                    first + self._uniform(0, s.health_interval),
                    first + self._uniform(0, s.deep_check_interval),
                )

    def _link(self, id: str) -> Link | None:
        runner = self._running.get(id)
        return runner.link if runner is not None else None

    async def _check(self, id: str, watch: _Watch, deep: bool) -> CheckResult:
        async with watch.turn:
            result = await self._ask(id, watch.link, deep)
        runner = self._running.get(id)
        if result.ok is None or runner is None or runner.link is not watch.link:
            return result
        self._services.telemetry.count("probes", runner.session.platform, result.kind, "ok" if result.ok else "failed")
        life = runner.inbox.life
        if result.ok:
            watch.failures[result.kind] = 0
            if result.latency is not None:
                life.last_probe = self._services.clock()
                life.probe_latency = result.latency
                self._services.telemetry.observe("probe", result.latency, runner.session.platform, result.kind)
            return result
        failures = watch.failures[result.kind] = watch.failures.get(result.kind, 0) + 1
        log.warning("a check failed", session=id, kind=result.kind, failures=failures, error=result.error)
        if failures >= self._settings.probe_failures:
            runner.fail(ProbeFailed(f"{failures} health checks failed in a row: {result.error}"))
        return result

    async def _ask(self, id: str, link: Link, deep: bool) -> CheckResult:
        kind = "deep" if deep and isinstance(link, Probeable) else "quick"
        if kind == "quick" and not isinstance(link, Checkable):
            return CheckResult(id, kind, None)
        turn = object()
        await self._limiter.acquire_on_behalf_of(turn)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_turn, turn)
            result = await self._answer(id, kind, link)
            nursery.cancel_scope.cancel()
        return result

    async def _end_turn(self, turn: object) -> None:
        try:
            await trio.sleep(TURN)
        finally:
            self._limiter.release_on_behalf_of(turn)

    async def _answer(self, id: str, kind: str, link: Link) -> CheckResult:
        started = trio.current_time()
        try:
            with trio.fail_after(self._settings.probe_timeout):
                if kind == "deep":
                    assert isinstance(link, Probeable)
                    await link.probe()
                else:
                    assert isinstance(link, Checkable)
                    await link.check()
        except trio.TooSlowError:
            return CheckResult(id, kind, False, error=f"no answer within {self._settings.probe_timeout:g} s")
        except RateLimited as error:  # the peer answered, so the link is alive
            return CheckResult(id, kind, None, error=str(error))
        except Exception as error:
            return CheckResult(id, kind, False, error=str(error) or type(error).__name__)
        latency = trio.current_time() - started
        return CheckResult(id, kind, True, latency if kind == "deep" else None)
