"""Makes the running sessions match the stored ones: claims, starts and stops them, and renews leases (B1, B6, E5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import msgspec
import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.session import BareSessionQuery, Lease, Session, SessionQuery
from ..provider.contract import MissingProvider, Provider
from ..runtime.descriptors import DescriptorRoom
from ..services import Services
from ..session.runner import LEASE_LOST, SessionRunner
from ..session.stop import Intent
from .decisions import Lost, Orphan, Replace, Retry, Stop, decide, differing
from .leases import LeaseKeeper

CLAIM_BATCH = 500
STORE_RETRY_DELAY = 1.0  # seconds
STOP_BATCH = 100
"""Sessions that begin to stop at the same moment. Thousands that end step by step together would all end last; this way
most have ended and are stored if the time is not enough for all."""

log = get_logger("SESSION")


class Share(Protocol):
    """How many of the sessions this engine should run, where several engines share a store."""

    @property
    def room(self) -> int:
        """How many more sessions to claim now."""

    @property
    def draining(self) -> bool:
        """True when this engine hands its sessions over and accepts none."""

    async def refresh(self) -> None:
        """Recompute the share; returns within a few seconds."""


class Supervisor:
    """Owns the tasks of all sessions that this engine runs. The engine owns the supervisor's own task."""

    def __init__(
        self,
        owner: str,
        providers: Mapping[str, Provider],
        services: Services,
        share: Share | None = None,
    ) -> None:
        """`share` limits the claims where several engines share a store."""
        self.owner = owner
        self._share = share
        self._providers = providers
        self._services = services
        self._settings = services.settings
        self.running: dict[str, SessionRunner] = {}
        self._leases = LeaseKeeper(owner, self.running, services, self.lost)
        self._ran_out: dict[str, tuple[int, str]] = {}  # which lease was lost here, and why
        self.descriptors = DescriptorRoom()
        self._descriptors_short = False
        self._left_alone: set[str] = set()
        self._dirty: set[str] = set()
        self._wake = trio.Event()
        self._changed = trio.Event()
        self._closing = False
        self._claiming = False
        self._rescan = False
        self._scans_begun = 0
        self._scans_done = 0  # the number of the last one that ended
        self.last_pass: float | None = None  # trio time of the last complete pass

    def nudge(self, id: str) -> None:
        """The stored row of this session changed: check it soon."""
        self._dirty.add(id)
        self._wake.set()

    def rescan(self) -> None:
        """Check all sessions soon."""
        self._rescan = True
        self._wake.set()

    def lost(self, lease: Lease) -> None:
        """The store refused a write under this lease: another owner has the session."""
        self._services.telemetry.count("lease_failures")
        runner = self.running.get(lease.session)
        if runner is not None and runner.lease == lease:  # it may run here again, under a new lease
            runner.stop(Intent.LEASE_LOST)

    @contextmanager
    def left_alone(self, id: str) -> Iterator[None]:
        """Inside the block, the session is neither started here nor given to others once its task has ended with
        `Intent.DELETE`."""
        self._left_alone.add(id)
        try:
            yield
        finally:
            self._left_alone.discard(id)
            self.nudge(id)

    async def recover(self) -> list[str]:
        """Check all sessions now and return when that is done. Returns the sessions that were started (B6)."""
        before = set(self.running)
        scan = self._scans_begun + 1
        self.rescan()
        while self._scans_done < scan:
            await self._changed.wait()
        return sorted(self.running.keys() - before)

    async def ended(self, id: str) -> None:
        """Return once no task of this session runs here. The caller sets the deadline."""
        while id in self.running:
            await self._changed.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reconcile until cancelled. Cancelling it cancels every session."""
        async with trio.open_nursery() as nursery:
            if self._services.store.shared:
                nursery.start_soon(self._leases.run)
            task_status.started()
            full_at = trio.current_time()
            while True:
                if full := self._rescan or trio.current_time() >= full_at:
                    self._rescan = False
                    self._scans_begun += 1
                    full_at = trio.current_time() + self._settings.recovery_interval
                asked, self._dirty = self._dirty, set()
                self._wake = trio.Event()
                try:
                    await self._reconcile(nursery, asked, full=full)
                    self.last_pass = trio.current_time()
                    if full:
                        self._scans_done = self._scans_begun
                        self._tell_change()
                except StoreError as error:
                    log.error("sessions cannot be checked: the store failed", error=str(error))
                    self._dirty |= asked
                    full_at = min(full_at, trio.current_time() + STORE_RETRY_DELAY)
                    await trio.sleep(STORE_RETRY_DELAY)
                with trio.move_on_at(full_at):
                    await self._wake.wait()

    async def stop_all(self, intent: Intent) -> None:
        """Stop every session in parallel and start no more; returns when all have ended. The caller sets the deadline."""
        self._closing = True
        for number, runner in enumerate(list(self.running.values()), start=1):
            runner.stop(intent)
            if number % STOP_BATCH == 0:  # even after the deadline, each session learns why it ends
                await trio.lowlevel.cancel_shielded_checkpoint()
        while self.running or self._claiming:
            await self._changed.wait()

    async def _reconcile(self, nursery: trio.Nursery, asked: set[str], *, full: bool) -> None:
        if full:
            owned = await self._list(BareSessionQuery(owner=self.owner, limit=CLAIM_BATCH))
            asked = asked | differing(owned, self.running, self.owner)
        asked = asked - self._left_alone
        rows = await self._list(SessionQuery(ids=tuple(asked), limit=CLAIM_BATCH)) if asked else []
        # No await between decisions and their execution, so that sessions that were running still are.
        orphans: list[Session] = []
        takeable = {row.id for row in rows if row.wanted and row.owner is None}
        for decision in decide(rows, sorted(asked), self.running, self.owner):  # the same order every time
            match decision:
                case Stop(id):
                    self.running[id].stop(Intent.DISABLE)
                case Replace(session):
                    self.running[session.id].replace(session)
                case Retry(session):
                    self.running[session.id].retry(session)
                case Lost(id):
                    self.running[id].stop(Intent.LEASE_LOST)
                case Orphan(session):
                    orphans.append(session)
        for session in orphans:
            lease = Lease(session.id, session.uid, self.owner, session.fence)
            await self._services.store.release(lease, lost=session.id in self._ran_out)
            takeable.add(session.id)
        await self._claim(nursery, None if full else takeable)

    async def _claim(self, nursery: trio.Nursery, only: set[str] | None) -> None:
        if only and self._share is not None and self._share.room <= 0:
            await self._share.refresh()  # one session more changes the shares of all instances
        while not self._closing:
            room = self._room()
            if room <= 0 or (only is not None and not only):
                return
            self._claiming = True
            started = trio.current_time()
            try:
                claimed = await self._services.store.claim(
                    self.owner, limit=room, now=self._services.clock(), ttl=self._settings.lease_ttl, only=only
                )
                for session in claimed:
                    self._start(nursery, session, since=started)
            finally:
                self._claiming = False
                self._tell_change()
            if len(claimed) < room:
                return

    def _room(self) -> int:
        """How many sessions to claim now."""
        limit = self._settings.max_concurrent_sessions
        room = CLAIM_BATCH if limit is None else min(CLAIM_BATCH, limit - len(self.running))
        left = self.descriptors.sessions(len(self.running))
        if left is not None and left < room:  # count how many are really starting only when it may matter
            left = self.descriptors.sessions(sum(runner.link is None for runner in self.running.values()))
        if left is not None and left < room:
            if left == 0 and not self._descriptors_short:
                log.warning("no session can start: too few file descriptors", running=len(self.running))
            self._descriptors_short = left == 0
            room = left
        return room if self._share is None else min(room, self._share.room)

    def _start(self, nursery: trio.Nursery, session: Session, *, since: float) -> None:
        provider = self._providers.get(session.platform)
        if provider is None:
            provider = MissingProvider(session.platform)
        runner = SessionRunner(session, provider, self._services)
        earlier = self.running.get(session.id)  # deleted or lost, and still closing its link
        if earlier is not None and not earlier.stopping:
            earlier.stop(Intent.LEASE_LOST)  # its lease was free to take, so it is void; nothing else stops the runner
            self._ran_out[session.id] = earlier.lease.fence, earlier.lease_ran_out or LEASE_LOST
        self.running[session.id] = runner
        self._leases.granted(runner, since)
        fence, why = self._ran_out.pop(session.id, (-1, ""))
        if session.fence == fence + 1:  # no other instance had it in between
            runner.lease_ran_out = why
        if self._closing:  # claimed while the engine began to stop: give it back at once
            runner.stop(Intent.SHUTDOWN)
        elif self._share is not None and self._share.draining:
            runner.stop(Intent.HAND_OVER)
        nursery.start_soon(self._run, runner, earlier, name=f"session {session.id}")

    async def _run(self, runner: SessionRunner, earlier: SessionRunner | None) -> None:
        id = runner.lease.session
        try:
            if earlier is not None:
                await earlier.ended.wait()
            await runner.run()
            if runner.lease_ran_out is not None:
                self._ran_out[id] = runner.lease.fence, runner.lease_ran_out
            self.nudge(id)  # it may be wanted again already
            if self._settings.max_concurrent_sessions is not None:
                self.rescan()  # its place is free for any session that waits
        except Exception:
            # Not nudged: an immediate failure would repeat in a loop. The recovery check starts it again (B6).
            log.exception("a session's task failed in an unexpected way", session=id)
        finally:
            runner.ended.set()
            if self.running.get(id) is runner:
                del self.running[id]
            self._tell_change()

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _list(self, query: SessionQuery) -> list[Session]:
        rows: list[Session] = []
        while True:
            page = await self._services.store.list_sessions(query)
            rows += page
            if len(page) < query.limit:
                return rows
            query = msgspec.structs.replace(query, after=page[-1].id)
