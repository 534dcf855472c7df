"""The whole deployment at a glance: sessions, traffic of the last hour, backlogs, instances."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import trio

from ...background.minutes import Minute, merged
from ...errors import RookeryError
from ...model.session import PAIRING_STATUSES, SessionStatus
from ...runtime.threads import on_files
from .instances import InstanceFeatures

ASK_SECONDS = 2.0
"""Seconds that another instance has to report its load; an instance that does not is listed as silent."""

MOST_WAITING = 100
"""Maximum number of sessions with waiting sends that are listed."""

WAITS_FOR_A_PERSON = PAIRING_STATUSES | {SessionStatus.AUTH_FAILURE}
ON_THE_WAY = frozenset({SessionStatus.INITIALIZING, SessionStatus.LOADING, SessionStatus.RECONNECTING})


class InstanceLoad(msgspec.Struct, frozen=True, kw_only=True):
    """One instance. Memory and disk are in bytes; `disk_free` is None where the instance stores nothing on a disk."""

    instance: str
    draining: bool
    sessions: int
    connected: int
    memory: int
    memory_limit: int
    disk_free: int | None
    disk_total: int | None
    minutes: list[Minute]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """`connected`, `needs_you`, `on_the_way` and `down` count enabled sessions; `disabled` counts the others.

    `waiting_sessions` are the sessions with waiting sends, those with the most first, at most MOST_WAITING. `lag` is
    the age in seconds of the oldest event that waits for an endpoint. `silent` names the instances that did not report.
    `minutes` are those of all instances together, oldest first.
    """

    now: float
    connected: int
    needs_you: int
    on_the_way: int
    down: int
    disabled: int
    waiting_sends: int
    waiting_sessions: list[str]
    undelivered: int
    dead_letters: int
    lag: float
    instances: list[InstanceLoad]
    silent: list[str]
    minutes: list[Minute]


class OverviewFeatures(InstanceFeatures):
    """Asks every instance, with a short timeout."""

    async def overview(self) -> Overview:
        """Counts as of now. Waits at most two seconds for instances that do not answer. Raises StoreError."""
        counts = dict.fromkeys(("connected", "needs_you", "on_the_way", "down", "disabled"), 0)
        for (_, status, enabled), count in (await self._store.count_sessions()).items():
            counts[_group(SessionStatus(status), enabled)] += count
        facts, oldest = await self._facts.read()
        waiting = await self._store.count_waiting()
        now = self._clock()
        loads, silent = await self._loads()
        return Overview(
            now=now,
            **counts,
            waiting_sends=sum(waiting.values()),
            waiting_sessions=sorted(waiting, key=lambda id: (-waiting[id], id))[:MOST_WAITING],
            undelivered=sum(one.pending for one in facts.values()),
            dead_letters=sum(one.dead for one in facts.values()),
            lag=0.0 if oldest is None else max(0.0, now - oldest),
            instances=loads,
            silent=silent,
            minutes=merged([load.minutes for load in loads]),
        )

    async def _loads(self) -> tuple[list[InstanceLoad], list[str]]:
        found = {self.instance: await self._load()}
        silent: list[str] = []

        async def ask(name: str) -> None:
            assert self._cluster is not None
            try:
                answer = await self._cluster.router.call(name, "load", seconds=ASK_SECONDS)
                found[name] = msgspec.convert(answer, InstanceLoad)
            except (RookeryError, msgspec.ValidationError):
                silent.append(name)

        async with trio.open_nursery() as nursery:
            for instance in self.census.instances:
                if instance.name != self.instance:
                    nursery.start_soon(ask, instance.name)
        return [found[name] for name in sorted(found)], sorted(silent)

    async def _load(self) -> InstanceLoad:
        memory = await self._memory.measure()
        running = list(self._supervisor.running.values())
        disk = await _disk(self._data_directory)
        return InstanceLoad(
            instance=self.instance,
            draining=self._cluster is not None and self._cluster.membership.draining,
            sessions=len(running),
            connected=sum(runner.link is not None for runner in running),
            memory=memory.total,
            memory_limit=memory.limit,
            disk_free=disk[0],
            disk_total=disk[1],
            minutes=list(self._minutes.recent()),
        )

    def _serve_overview(self) -> None:
        """Answer other instances that ask for this instance's load."""
        if self._cluster is not None:
            self._cluster.router.handle("load", self._load_for_others)

    async def _load_for_others(self) -> object:
        return msgspec.to_builtins(await self._load())


def _group(status: SessionStatus, enabled: bool) -> str:
    if not enabled:
        return "disabled"
    if status is SessionStatus.CONNECTED:
        return "connected"
    if status in WAITS_FOR_A_PERSON:
        return "needs_you"
    return "on_the_way" if status in ON_THE_WAY else "down"


async def _disk(directory: Path | None) -> tuple[int | None, int | None]:
    if directory is None:
        return None, None
    try:
        usage = await on_files(lambda: shutil.disk_usage(directory))
    except OSError:
        return None, None
    return usage.free, usage.total
