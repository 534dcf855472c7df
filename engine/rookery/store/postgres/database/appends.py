"""Appends on their way to PostgreSQL: waiting appends share one statement and one commit.

One transaction at a time writes the log anyway (see `append_3` in the migrations), so waiting appends lose nothing by
being combined, and each costs a fraction of a round trip instead of a whole one.

A cancelled caller does not wait: an append that has not begun is withdrawn; one that has begun succeeds or fails on its
own. Appends of one session keep their order.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import outcome
import trio

from ....errors import InvalidInput, LeaseLost, RookeryError, StoreUnavailable, own_copy
from ....model.event import NewEvent
from ....model.session import Lease
from .errors import translate
from .pool import Connection, Database

GROUP_APPENDS = 500
GROUP_EVENTS = 5_000
GROUP_BYTES = 4 * 2**20
"""Maximum size of one statement; a single larger append is written alone."""

_SQL = "SELECT rookery.append_3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"


class _Append:
    """One append. `begun` and `withdrawn` exclude each other, under the queue's lock."""

    __slots__ = ("begun", "bytes", "cursor", "events", "lease", "result", "task", "withdrawn")

    def __init__(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> None:
        self.lease = lease
        self.events = events
        self.cursor = cursor
        self.bytes = sum(len(event.body) + len(event.raw) for event in events)
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        self.begun = False
        self.withdrawn = False
        self.result: outcome.Outcome[int] | None = None


class AppendQueue:
    """`append` is called in trio; `serve` runs in the database's thread until it is cancelled."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: list[_Append] = []
        self._wake = asyncio.Event()
        self._closed = False

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        """Returns how many events were new. Raises LeaseLost, InvalidInput, StoreError."""
        await trio.lowlevel.checkpoint_if_cancelled()
        job = _Append(lease, events, cursor)
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            self._waiting.append(job)
            first = len(self._waiting) == 1
        if first:
            self._database.thread.call(self._wake.set)

        def abort(_: object) -> trio.lowlevel.Abort:
            with self._lock:
                job.withdrawn = not job.begun
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: int = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    def finish(self) -> None:
        """In the loop: accept nothing new, and let `serve` end when nothing waits."""
        with self._lock:
            self._closed = True
        self._wake.set()

    async def serve(self) -> None:
        """Write group after group until `finish`. When cancelled, fail the waiting appends."""
        try:
            while not self._closed:
                await self._wake.wait()
                self._wake.clear()
                while group := self._next_group():
                    await self._write(group)
                    self._reply(group)
        finally:
            with self._lock:
                self._closed = True
                left, self._waiting = self._waiting, []
            for job in left:
                job.result = outcome.Error(StoreUnavailable("the store is closed"))
            self._reply(left)

    def _next_group(self) -> list[_Append]:
        """The first waiting appends, at most one per session: a session's later appends must follow."""
        group: list[_Append] = []
        later: list[_Append] = []
        sessions: set[int] = set()
        events = size = 0
        with self._lock:
            for job in self._waiting:
                if job.withdrawn:
                    continue
                events += len(job.events)
                size += job.bytes
                full = len(group) == GROUP_APPENDS or events > GROUP_EVENTS or size > GROUP_BYTES
                if job.lease.uid in sessions or (group and full):
                    sessions.add(job.lease.uid)
                    later.append(job)
                    continue
                sessions.add(job.lease.uid)
                job.begun = True
                group.append(job)
            self._waiting = later
        return group

    async def _write(self, group: list[_Append]) -> None:
        try:
            counts = await self._database.use(lambda connection: _append(connection, self._database, group))
        except asyncio.CancelledError:
            for job in group:
                job.result = outcome.Error(StoreUnavailable("the store is closed"))
            self._reply(group)
            raise
        except Exception as error:
            translated = translate(error)
            if isinstance(translated, InvalidInput) and len(group) > 1:
                for job in group:  # one of them is to blame; the others must not be affected
                    await self._write([job])
                return
            for job in group:  # each task raises an error of its own
                own = own_copy(translated) if isinstance(translated, RookeryError) else translated
                job.result = outcome.Error(own)
        else:
            for job, count in zip(group, counts, strict=True):
                job.result = outcome.Value(count) if count >= 0 else outcome.Error(LeaseLost(job.lease.session))

    def _reply(self, group: list[_Append]) -> None:
        def reply() -> None:
            for job in group:
                task, job.task = job.task, None
                if task is not None:
                    assert job.result is not None
                    trio.lowlevel.reschedule(task, job.result)

        if group:
            self._database.thread.tell(reply)


async def _append(connection: Connection, database: Database, group: list[_Append]) -> list[int]:
    leases = [job.lease for job in group]
    rows: list[tuple[Any, ...]] = [
        (number, e.epoch, e.key, e.type, e.time, e.chat, e.sender, e.body, e.raw)
        for number, job in enumerate(group, 1)
        for e in job.events
    ]
    columns: Sequence[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * 9
    counts: list[int] = await connection.fetchval(
        database.text(_SQL),
        [lease.uid for lease in leases],
        [lease.owner for lease in leases],
        [lease.fence for lease in leases],
        [job.cursor for job in group],
        *columns,
    )
    return counts
