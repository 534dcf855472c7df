"""Several engines on one store: listing them, and emptying one before it is replaced."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec
import trio

from ...background.probes import CheckResult
from ...errors import InvalidInput, OwnerUnavailable, StoreError
from ...model.instance import Census, Instance
from ...model.session import SessionQuery
from ...session.runner import SessionRunner
from ..owners import OwnerCalls


class DrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of draining. `left`: sessions that still run here. `others`: instances that accept sessions."""

    instance: str
    handed_over: int
    left: int
    others: int
    seconds: float


class InstanceFeatures(OwnerCalls):
    """A store that is not shared has one instance and no other to hand anything over to."""

    def running_here(self) -> Mapping[str, SessionRunner]:
        """The sessions whose tasks run in this instance, by id: a live view. To change a session, use the methods of
        the engine."""
        return MappingProxyType(self._supervisor.running)

    def delivering_here(self) -> frozenset[str]:
        """The ids of the webhooks and sinks to which this instance delivers now. Only one instance delivers to each."""
        return self._dispatcher.delivering

    @property
    def installation(self) -> str:
        """The database's random name, the same for all instances that share it. CloudEvents carry it in `source`."""
        return self._store.installation

    @property
    def census(self) -> Census:
        """The instances as of this instance's last beat; only itself, where the store is not shared."""
        if self._cluster is None:
            return Census(instances=(Instance(name=self.instance, sessions=len(self._supervisor.running)),))
        return self._cluster.membership.census

    async def instances(self) -> Sequence[Instance]:
        """The live instances, ordered by name; each as it was at most some seconds ago."""
        if self._cluster is None:
            running = len(self._supervisor.running)
            limit = self.settings.max_concurrent_sessions
            return [Instance(name=self.instance, sessions=running, capacity=limit, started_at=self.started_at)]
        await self._cluster.membership.beat()
        return self._cluster.membership.census.instances

    async def drain(self, seconds: float | None = None) -> DrainReport:
        """Accept no more sessions or webhooks and hand over all of them. This is permanent: close the engine
        afterwards.

        Returns when nothing runs here or after `seconds` (`settings.drain_timeout`). Handing over continues after that,
        and also when the caller leaves. May be called again. Raises InvalidInput when the store is not shared.
        """
        if self._cluster is None:
            raise InvalidInput(
                "drain: no other instance can use this store; a second process started with --wait takes over when "
                "this one is stopped",
                field="store",
            )
        membership, leveler = self._cluster.membership, self._cluster.leveler
        started, before = trio.current_time(), len(self._supervisor.running)
        membership.drain()
        with trio.move_on_after(self.settings.drain_timeout if seconds is None else seconds):
            # The others must know their new share before the first session is free.
            await membership.refresh()
            leveler.nudge()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._dispatcher.close)
                await leveler.emptied()
            await membership.refresh()
        left = len(self._supervisor.running)
        return DrainReport(
            instance=self.instance,
            handed_over=max(0, before - left),
            left=left,
            # If time ran out before the census could be read again, it still lists this instance as accepting sessions.
            others=sum(one.name != self.instance for one in membership.census.takers),
            seconds=trio.current_time() - started,
        )

    async def check_now(self, ids: Collection[str] | None = None) -> list[CheckResult]:
        """Probe sessions at once, on whichever instance they run: all running sessions, or the given ones.

        Raises NotFound for an id that is not stored.
        """
        if ids is None:
            elsewhere = [] if self._cluster is None else [one.name for one in await self.instances()]
            asked: dict[str, list[str] | None] = dict.fromkeys(elsewhere)
            asked[self.instance] = None
        else:
            asked = {}
            for id in dict.fromkeys(ids):
                owner = (await self._store.get_session(id)).owner or self.instance
                asked.setdefault(owner, []).append(id)  # type: ignore[union-attr]
        results: list[CheckResult] = []
        failures: list[StoreError] = []

        async def check(instance: str, chosen: list[str] | None) -> None:
            try:
                results.extend(await self._check_in(instance, chosen))
            except StoreError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            for instance, chosen in asked.items():
                nursery.start_soon(check, instance, chosen)
        if failures:
            raise failures[0]
        return sorted(results, key=lambda result: result.session)

    async def _check_in(self, instance: str, ids: list[str] | None) -> list[CheckResult]:
        if self._cluster is None or instance == self.instance:
            return await self._health.check_now(ids)
        seconds = self.settings.probe_timeout + self.settings.call_timeout
        try:
            found = await self._cluster.router.call(instance, "check", seconds=seconds, ids=ids)
            return msgspec.convert(found, list[CheckResult])
        except OwnerUnavailable as error:
            if ids is None:
                ids = [row.id for row in await self._store.list_sessions(SessionQuery(owner=instance, limit=10_000))]
            return [CheckResult(id, "deep", None, error=str(error)) for id in ids]

    def _serve_checks(self) -> None:
        """Answer `check` calls from other instances."""
        if self._cluster is not None:
            self._cluster.router.handle("check", self._health.check_now)
