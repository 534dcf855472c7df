"""Assigns sessions to workers: as few workers as the limit per worker allows, started on demand."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from rookery.log import get_logger
from rookery.provider.capabilities import WorkerInfo

from ..protocol import Start
from ..settings import WorkerSettings
from .port import ClientPort
from .process import WorkerProcess

SUSPECT_AFTER = 3
"""Number of a session's workers that may end in quick succession before the session gets one to itself."""

FEW_SUSPECTS = 2
"""If at most this many sessions were logging in when their worker crashed, each gets its own worker at once; among more
sessions, most are innocent."""

FORGIVEN_AFTER = 60.0
"""Seconds in a living worker after which a session is no longer suspected."""

ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",  # otherwise each of many threads keeps its own heap
    "GOGC": "50",
    "PYTHONUNBUFFERED": "1",
}

KILLING = 0.2
"""Seconds for workers to end after they are killed."""

log = get_logger("SESSION")


class WorkerPool:
    """The provider enters it before the first link opens and leaves it after the last one has closed."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], settings: WorkerSettings) -> None:
        self.command = command
        self._settings = settings
        self._environment = ENVIRONMENT | dict(os.environ) | dict(environment)
        self._nursery: trio.Nursery | None = None
        self.workers: list[WorkerProcess] = []
        self.close_by = float("inf")  # trio time
        self._started = 0
        self.crashes = 0  # number of workers that ended by themselves
        self._clients = 0
        self._deaths: dict[str, int] = {}  # consecutive ends of workers, by session
        self._logged_in: set[str] = set()  # sessions whose accounts WhatsApp has accepted

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Workers live inside this block. Leaving it asks them to end, waits, then kills them."""
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._dismiss_idle)
            try:
                yield
            except trio.Cancelled:
                raise
            except BaseException as error:  # re-raised without the nursery's exception group
                failure = error
            finally:
                self._nursery = None
                farewell = min(trio.current_time() + self._settings.farewell, self.close_by - KILLING)
                with trio.CancelScope(shield=True, deadline=farewell):
                    for worker in self.workers:
                        worker.quit()
                    for worker in list(self.workers):
                        await worker.ended.wait()
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def worker_for(
        self, session: str, until: Callable[[], float] = lambda: math.inf
    ) -> AsyncIterator[WorkerProcess]:
        """A worker with a loaded library and a place for the session, for the duration of the block.

        `until` returns the trio time until which the session may stay connected without another frame from the engine.

        Raises what `WorkerProcess.wait_ready` raises.
        """
        worker = self._choose(session, alone=self.deaths(session) >= SUSPECT_AFTER)
        worker.sessions.append(session)
        worker.leases[session] = until
        worker.hosted.add(session)
        worker.idle_since = math.inf
        began = trio.current_time()
        try:
            await worker.wait_ready()
            yield worker
        finally:
            worker.sessions.remove(session)
            worker.leases.pop(session, None)
            if not worker.sessions:
                worker.idle_since = trio.current_time()
            self._note_end(session, worker, trio.current_time() - began)

    def logged_in(self, session: str) -> None:
        """Note that WhatsApp has accepted the session's account."""
        self._logged_in.add(session)

    def logged_out(self, session: str) -> None:
        """Note that the session's client is logging in, or trying to reconnect."""
        self._logged_in.discard(session)

    def _note_end(self, session: str, worker: WorkerProcess, age: float) -> None:
        """Note that a session leaves its worker. Nearly always it is the answer to a login that crashes a worker, so sessions
        that were logging in, if any, are blamed at once."""
        busy = session not in self._logged_in
        self._logged_in.discard(session)
        if not worker.ended.is_set() or worker.quitting:
            self._deaths.pop(session, None)
            return
        if worker.suspects is None:
            worker.suspects = [each for each in worker.sessions if each not in self._logged_in] + [session] * busy
        if busy:
            least = SUSPECT_AFTER if worker.crashed and len(worker.suspects) <= FEW_SUSPECTS else 0
            self._deaths[session] = max(least, self._deaths.get(session, 0) + 1)
        elif worker.suspects or age >= FORGIVEN_AFTER:
            self._deaths.pop(session, None)
        else:
            self._deaths[session] = self._deaths.get(session, 0) + 1

    def forget_all_but(self, sessions: Collection[str]) -> set[str]:
        """Drop the records of other sessions: their workers, and how often these ended. Returns those sessions."""
        gone = {session for session in self._deaths if session not in sessions}
        for session in gone:
            del self._deaths[session]
        for worker in self.workers:
            left = {session for session in worker.hosted if session not in sessions}
            worker.hosted -= left
            gone |= left
        return gone

    def deaths(self, session: str) -> int:
        """How many workers of this session have ended in quick succession."""
        return self._deaths.get(session, 0)

    @asynccontextmanager
    async def client(self, worker: WorkerProcess, start: Start) -> AsyncIterator[ClientPort]:
        """Start a client. Leaving the block stops listening to the client, and stops it unless it has ended."""
        port = ClientPort(worker, start.client)
        worker.ports[port.number] = port
        worker.ping()  # a client must not begin before its worker knows when the lease ends
        worker.tell(start)
        try:
            yield port
        finally:
            del worker.ports[port.number]
            port.close()
            port.stop()

    def infos(self) -> list[WorkerInfo]:
        """The running processes."""
        return [
            WorkerInfo(worker.name, worker.pid, tuple(worker.sessions))
            for worker in self.workers
            if worker.pid is not None and not worker.ended.is_set()
        ]

    async def replace(self, name: str, why: str) -> None:
        """Make a worker disconnect its clients and end, by force if necessary; its sessions reconnect in another worker."""
        for worker in self.workers:
            if worker.name == name:
                log.info("a worker process is replaced", worker=name, cause=why)
                worker.quit()
                with trio.move_on_after(self._settings.farewell):
                    await worker.ended.wait()
                worker.kill(why)
                return

    def next_client(self) -> int:
        """A number that no client has had before."""
        self._clients += 1
        return self._clients

    def _choose(self, session: str, *, alone: bool) -> WorkerProcess:
        limit = 1 if alone else self._settings.sessions_per_worker
        candidates = [
            worker
            for worker in self.workers
            if worker.usable and len(worker.sessions) < limit and not (worker.reserved and worker.sessions)
        ]
        if candidates:
            # The session's last client may still be ending in its previous worker; a new client there waits for that.
            chosen = max(candidates, key=lambda worker: (session in worker.hosted, len(worker.sessions)))
            chosen.reserved = alone
            return chosen
        assert self._nursery is not None, "the engine has closed the provider"
        self._started += 1
        worker = WorkerProcess(f"whatsapp-{self._started}", self.command, self._environment, self._settings)
        worker.reserved = alone
        self.workers.append(worker)
        self._nursery.start_soon(self._serve, worker)
        return worker

    async def _serve(self, worker: WorkerProcess) -> None:
        try:
            await worker.run()
        except Exception:
            # A worker's failure must never end the engine; its sessions learn of the failure from their ports.
            log.exception("a worker process could not be served", worker=worker.name)
        finally:
            self.workers.remove(worker)
            self.crashes += not worker.quitting

    async def _dismiss_idle(self) -> None:
        while True:
            await trio.sleep(min(1.0, self._settings.idle))
            for worker in self.workers:
                spent = worker.leftovers >= self._settings.most_leftovers
                idle = trio.current_time() - worker.idle_since
                if not worker.sessions and not worker.ended.is_set() and (idle >= self._settings.idle or spent):
                    worker.quit()
