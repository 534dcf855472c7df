"""The second mode: one engine at a time on the real SQLite store, in a file that outlives each of them.

Everything but the thread is the store's own: jobs that wait share a transaction, each with a savepoint, and a cancelled
job that has not begun is withdrawn.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import outcome
import trio

from rookery.errors import StoreUnavailable
from rookery.store.background_work import Job
from rookery.store.sqlite.database.connection import Database, connect, prepare
from rookery.store.sqlite.database.writer import _together
from rookery.store.sqlite.store import SqliteStore

from ..determinism import PlainBox
from ..machines import Process
from ..world import Crashed, World
from .database import WANTED
from .observer import Observer


class SqliteFile:
    """The file of one life. Stands for `SharedDatabase` where checks look into it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.box = PlainBox()
        self._directory = tempfile.TemporaryDirectory(prefix="rookery-simulation-")
        self.path = Path(self._directory.name) / "rookery.db"
        connection = connect(self.path)
        prepare(connection, "the file", self.box, lambda: world.wall)
        self.connection = connection
        self.observer = Observer(world, connection)
        self.calls: dict[str, Any] = {}
        self._open: list[Any] = [connection]

    def store(self, process: Process) -> SqliteStore:
        """As `process` sees it."""
        return FileStore(self, process)

    def opened(self, connection: Any) -> None:
        """A process has opened it: it is watched from here on, and closed at the end of the life, as by the system."""
        self.observer.watch(connection)
        self._open.append(connection)

    def owner_of(self, session: str) -> tuple[str | None, float]:
        """Who runs it; nobody's lease ends."""
        row = self.connection.execute("SELECT owner FROM sessions WHERE id = ?", (session,)).fetchone()
        return (row[0] if row is not None else None), float("inf")

    def wanted(self) -> dict[str, bool]:
        """Which sessions should run."""
        rows = self.connection.execute(f"SELECT id, {WANTED} FROM sessions ORDER BY id")
        return {id: bool(wanted) for id, wanted in rows}

    def close(self) -> None:
        """Remove it."""
        for connection in self._open:
            connection.close()
        self._directory.cleanup()


class FileStore(SqliteStore):
    """The real store, whose thread is the world."""

    def __init__(self, file: SqliteFile, process: Process) -> None:
        super().__init__(file.path, file.box, clock=lambda: file.world.wall + process.machine.skew)
        self._file = file
        self._world = file.world
        self._process = process
        self._waiting: list[Job] = []
        self._database: Database | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FileStore]:
        await trio.lowlevel.checkpoint()
        if self._process.machine.database != "up":
            raise StoreUnavailable("the disk does not work")
        connection = connect(self._file.path)
        self._database = prepare(connection, "the file", self._file.box, self._clock)
        self._file.opened(connection)
        yield self

    async def _read(self, query: Callable[[Any], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if self._world.over:
            raise Crashed
        assert self._database is not None
        return query(self._database.connection)

    async def _write(
        self, work: Callable[[Database], Any], *, background: bool = False, patience: float | None = None
    ) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        world = self._world
        if world.over:
            raise Crashed
        job = Job(self._watched(work), background, trio.lowlevel.current_task())
        self._waiting.append(job)
        if len(self._waiting) == 1:
            slow = self._process.machine.database == "slow"
            world.after((5.0 if slow else 0.002) * world.chance.random(), self._commit)

        def abort(_: object) -> trio.lowlevel.Abort:
            job.withdrawn = not job.begun
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        return await trio.lowlevel.wait_task_rescheduled(abort)

    def _watched(self, work: Callable[[Database], Any]) -> Callable[[Database], Any]:
        """What a job that fails has changed is undone, and was not seen."""
        observer = self._file.observer

        def watched(database: Database) -> Any:
            mark = observer.mark()
            try:
                return work(database)
            except BaseException:
                observer.forget_since(mark)
                raise

        return watched

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        group = [job for job in waiting if not job.withdrawn]
        if not self._process.alive or not group:
            return  # killed before it wrote
        for job in group:
            job.begun = True
        if self._process.machine.database in ("refuse", "hang", "lossy"):
            for job in group:
                job.result = outcome.Error(StoreUnavailable("the disk does not work"))
        else:
            assert self._database is not None
            # As the writer's thread does: what is urgent in one transaction, then each piece of the rest in its own.
            parts = [[job for job in group if not job.background], *([job] for job in group if job.background)]
            for part in filter(None, parts):
                self._file.observer.begin(self._process.name, None)
                _together(self._database, part)
                self._file.observer.end(committed=True)
        self._world.after(0.001, self._reply, group)

    @staticmethod
    def _reply(group: list[Job]) -> None:
        for job in group:
            if job.task is not None:
                assert job.result is not None
                trio.lowlevel.reschedule(job.task, job.result)
