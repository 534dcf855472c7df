"""The single writer of a SQLite database: a thread in which waiting writers share a transaction.

Callers that wait while a transaction commits join the next one. Each piece of work has its own savepoint, so a failure
affects only the work that failed.

A cancelled caller does not wait. Work that has not begun is withdrawn; work that has begun completes and its result is
dropped. Nothing is left half done, and no transaction outlives the work in it.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import Protocol, TypeVar

import outcome
import trio

from ....errors import StoreUnavailable
from ...background_work import BackgroundWork, Job
from ...pieces import PIECE_SECONDS, running_watch
from .connection import Database
from .doorbell import Doorbell
from .errors import translate

T = TypeVar("T")
Work = Callable[[Database], T]

GROUP_LIMIT = 1000
"""Maximum number of pieces of work in one transaction; it bounds the wait of the first one."""

CLOSE_TIMEOUT = 5.0
"""Seconds to wait for the last transaction at the end. The thread finishes it in any case and frees the lock only
afterwards."""

ABANDON_TIMEOUT = 1.0
"""Seconds to wait for the thread when opening the database is abandoned."""

COPY_WAIT = 1.0
"""Seconds between two pieces of background work while the write-ahead log is copied: on a busy disk commits take long, and
each lengthens the log."""

AWAITED_WAIT = 0.1
"""The same for a piece of a deletion whose end somebody waits for."""

COPY_LOOK = 0.005
"""Seconds between two looks whether the copy is over."""

CRASHED = "the store's thread has failed; the write may have happened or not"


class Writer(Protocol):
    """Runs work in a transaction."""

    async def run(self, work: Work[T], *, background: bool = False, patience: float | None = None) -> T:
        """The work is durable when this returns. An exception from `work` rolls it back and is raised here.
        `background`: it lets all waiting work go first and shares no transaction. `patience`: while the log is copied,
        it runs so many seconds after other background work (COPY_WAIT unless given)."""


class InlineWriter:
    """The same promises without a thread, for a database in memory: no real time passes, so test clocks may jump."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, work: Work[T], *, background: bool = False, patience: float | None = None) -> T:
        await trio.lowlevel.checkpoint()
        result: T = _alone(self._database, work).unwrap()
        return result


class GroupWriter:
    """Owns the writer thread. Made inside the trio run that uses it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._token = trio.lowlevel.current_trio_token()
        self._done: deque[list[Job]] = deque()  # jobs whose callers wait for the result
        self._opened = trio.Event()
        self._ended = trio.Event()
        self._failure: BaseException | None = None
        self._open = False

    async def start(self, connect: Callable[[], Database], after: Callable[[], None]) -> None:
        """Start the thread; `connect` opens the database in it. `after` runs once the database is closed, in every
        case.

        Raises what `connect` raises. A cancelled caller returns once the thread has closed the database again, so that
        it can be reopened, but waits at most `ABANDON_TIMEOUT` for a migration; after that the thread closes on its
        own.
        """
        try:
            bell = Doorbell(self._reply, self._end)
        except OSError as error:
            after()
            raise StoreUnavailable(f"cannot make a pipe for the store ({error.strerror})") from error
        thread = threading.Thread(target=self._main, args=(bell, connect, after), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            bell.close()
            after()
            raise StoreUnavailable(f"cannot start a thread for the store: {error}") from error
        try:
            await self._opened.wait()
        except trio.Cancelled:
            self._jobs.put(None)
            with trio.move_on_after(ABANDON_TIMEOUT, shield=True):
                await self._ended.wait()
            raise
        if self._failure is not None:
            raise self._failure
        self._open = True

    async def run(self, work: Work[T], *, background: bool = False, patience: float | None = None) -> T:
        if not self._open:
            raise StoreUnavailable("the store is closed")
        await trio.lowlevel.checkpoint_if_cancelled()
        job = Job(work, background, trio.lowlevel.current_task(), COPY_WAIT if patience is None else patience)
        if background and (watch := running_watch()) is not None:
            job.watch, job.work = watch, watch.timing(work)
        self._jobs.put(job)

        def abort(_: object) -> trio.lowlevel.Abort:
            with self._lock:
                job.withdrawn = not job.begun
            job.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    async def aclose(self, deadline: float = float("inf")) -> None:
        """Finish the waiting work, close the database and end the thread. Waits at most `CLOSE_TIMEOUT`, and not beyond
        `deadline` (trio time)."""
        self._open = False
        self._jobs.put(None)
        with trio.CancelScope(shield=True, deadline=min(trio.current_time() + CLOSE_TIMEOUT, deadline)):
            await self._ended.wait()

    # Everything below runs in the thread, except `_end` and `_reply`.

    def _main(self, bell: Doorbell, connect: Callable[[], Database], after: Callable[[], None]) -> None:
        try:
            try:
                database = connect()
            except BaseException as error:
                self._failure = error
                try:
                    after()  # before `start` returns: a caller that retries must find the lock free
                finally:
                    self._tell_opened()
                return
            self._tell_opened()
            try:
                self._serve(database, bell)
            finally:
                try:
                    database.close()
                finally:
                    after()
        finally:
            bell.close()

    def _serve(self, database: Database, bell: Doorbell) -> None:
        waiting: list[Job] = []
        later = BackgroundWork()  # one piece at a time, so that others never wait for two
        gives_way = closing = False
        try:
            while later or not closing:
                found, ended = self._take(COPY_LOOK if gives_way else 0.0 if later else None)
                closing |= ended
                later.add(job for job in found if job.background)
                waiting = [job for job in found if not job.background]
                self._work(database, bell, waiting)
                if later:
                    job = later.take(perf_counter(), is_busy=database.is_copying and not closing)
                    waiting = [] if job is None else [job]
                    if self._work(database, bell, waiting):
                        later.ran(perf_counter())
                    gives_way = job is None and bool(later)
        except BaseException:  # the thread ends: `_end` answers those that wait
            for job in (*waiting, *later):
                if not job.begun:
                    self._jobs.put(job)
            raise

    def _take(self, timeout: float | None) -> tuple[list[Job], bool]:
        """What waits, and whether the end has come. Waits for the first job, at most `timeout` seconds."""
        jobs: list[Job | None] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=timeout))
            while len(jobs) < GROUP_LIMIT:
                jobs.append(self._jobs.get_nowait())
        found = [job for job in jobs if job is not None]
        return found, len(found) < len(jobs)

    def _work(self, database: Database, bell: Doorbell, waiting: list[Job]) -> bool:
        """Run the writes that were not withdrawn, in one transaction; False when there were none."""
        with self._lock:
            group = [job for job in waiting if not job.withdrawn]
            for job in group:
                job.begun = True
        if group:
            # A transaction of background work is to end soon.
            began = perf_counter() if group[0].background else inf
            database.late_at = began + PIECE_SECONDS
            try:
                _together(database, group)
            except BaseException:  # the thread ends, and what was not committed is lost
                for job in group:
                    job.result = None
                raise
            finally:
                if (watch := group[0].watch) is not None:
                    watch.transaction = (watch.transaction or 0.0) + perf_counter() - began
                self._done.append(group)
                bell.ring()
            database.after_commit()
        return bool(group)

    def _end(self) -> None:
        """Runs in trio's thread: no more work is served. If the thread crashed, callers may still be waiting."""
        self._open = False
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None and job.task is not None:
                    trio.lowlevel.reschedule(job.task, outcome.Error(StoreUnavailable("the store is closed")))
        self._ended.set()

    def _tell_opened(self) -> None:
        with contextlib.suppress(trio.RunFinishedError):  # the trio run is over; the work itself is done
            self._token.run_sync_soon(self._opened.set)

    def _reply(self) -> None:
        while self._done:
            for job in self._done.popleft():
                if job.task is not None:
                    trio.lowlevel.reschedule(job.task, job.result or outcome.Error(StoreUnavailable(CRASHED)))


def _alone(database: Database, work: Work[T]) -> outcome.Outcome[T]:
    """Run one piece of work in its own transaction."""
    connection = database.connection
    try:
        connection.execute("BEGIN IMMEDIATE")
        result = work(database)
        connection.execute("COMMIT")
        return outcome.Value(result)
    except Exception as error:
        _undo(database)
        return outcome.Error(translate(error, database.location))


def _together(database: Database, group: list[Job]) -> None:
    """Run all work in one transaction; if that transaction fails as a whole, run each piece in its own."""
    connection = database.connection
    if len(group) > 1:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                connection.execute("SAVEPOINT job")
                try:
                    job.result = outcome.Value(job.work(database))
                except Exception as error:
                    database.forget()
                    connection.execute("ROLLBACK TO job")
                    job.result = outcome.Error(translate(error, database.location))
                connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except sqlite3.Error:
            _undo(database)
            database.forget_counts()
        else:
            return
    for job in group:
        job.result = _alone(database, job.work)


def _undo(database: Database) -> None:
    """Roll back what is left of the transaction; some errors, such as a full disk, have already done so."""
    database.forget()
    if database.connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):  # a broken disk: the next BEGIN will say so
            database.connection.execute("ROLLBACK")
