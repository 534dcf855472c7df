"""One engine's way to the shared database: `Store`, with everything that a network and a database server can do to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import outcome
import trio

from rookery.errors import StoreUnavailable
from rookery.model import Lease, MessageState, NewEvent, OutboundMessage, SendOutcome, Session, Webhook
from rookery.model.instance import Census, Instance, InstanceCall, StoreChange
from rookery.store.rows.values import to_json
from rookery.store.sqlite.database.connection import Database
from rookery.store.sqlite.store import SqliteStore

from ..machines import Process
from ..world import Crashed, Mailbox, ask
from .database import SharedDatabase

COMMAND_TIMEOUT = 10.0
"""Seconds after which the driver gives a statement up."""


class SimulatedStore(SqliteStore):
    """Implements `Store`, `CallStore` and `Notifying`."""

    shared = True

    def __init__(self, shared: SharedDatabase, process: Process) -> None:
        super().__init__(None, shared.box, clock=lambda: shared.world.wall)
        self._shared = shared
        self._world = shared.world
        self._process = process
        self._chance = shared.world.chance
        self._notes: tuple[tuple[str, str | None], ...] = ()
        self._lease: Lease | None = None

    @property
    def location(self) -> str:
        return "the shared database"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[SimulatedStore]:
        await self._ask(lambda: outcome.Value(None))
        try:
            yield self
        finally:
            self._shared.watchers.pop(self._process, None)

    # The way there and back

    async def _write(
        self, work: Callable[[Database], Any], *, background: bool = False, patience: float | None = None
    ) -> Any:
        notes, self._notes = self._notes, ()
        lease, self._lease = self._lease, None
        shared, name = self._shared, self._process.name

        def execute() -> outcome.Outcome[Any]:
            result = shared.run(work, name, lease)
            if notes and isinstance(result, outcome.Value):
                for kind, id in notes:
                    shared.notify(kind, id)
            return result

        return await self._ask(execute)

    async def _read(self, query: Callable[[Any], Any]) -> Any:
        shared = self._shared
        return await self._ask(lambda: outcome.capture(query, shared.connection))

    async def _do(self, function: Callable[..., Any], *args: Any) -> Any:
        """Everything that is not SQL."""
        return await self._ask(lambda: outcome.capture(function, *args))

    async def _ask(self, execute: Callable[[], outcome.Outcome[Any]]) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        world, machine, chance = self._world, self._process.machine, self._chance
        if world.over:
            raise Crashed
        mode, dice = machine.database, chance.random()
        there = (0.0005 + 0.002 * chance.random()) * machine.lag
        if mode == "up":
            if dice < 0.002:
                mode = "lossy"
                dice = chance.random()
        elif mode == "slow":
            there = 0.2 + 7.0 * dice * dice
        withdrawn_by_cancel = chance.random() < 0.5
        cancelled = False

        def abort() -> None:
            nonlocal cancelled
            cancelled = True

        def start(reply: Callable[[outcome.Outcome[Any]], None]) -> None:
            def refuse() -> None:
                reply(outcome.Error(StoreUnavailable("the database does not answer")))

            def arrive() -> None:
                if cancelled and withdrawn_by_cancel:
                    return
                if machine.database == "hang":  # cut meanwhile
                    world.after(COMMAND_TIMEOUT, refuse)
                    return
                result = execute()
                if mode == "lossy":
                    world.after(there, refuse)
                elif mode == "slow":
                    world.after(there * 0.3, reply, result)
                else:
                    reply(result)

            if mode == "refuse" or (mode == "lossy" and dice < 0.4):
                world.after(there, refuse)
            elif mode == "hang":
                world.after(COMMAND_TIMEOUT, refuse)
            elif mode == "lossy" and dice < 0.6:
                world.after(there, lambda: reply(execute()))
            else:
                world.after(there, arrive)

        return await ask(start, abort)

    # Notifications

    def _telling(self, *notes: tuple[str, str | None]) -> None:
        """The next write tells the others."""
        self._notes = notes

    @property
    def hears(self) -> bool:
        return self._process in self._shared.watchers

    async def watch(
        self,
        on_change: Callable[[StoreChange], object],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        mailbox = self._shared.watchers[self._process] = Mailbox()
        try:
            on_change(StoreChange("everything"))
            task_status.started()
            while True:
                for change in await mailbox.take():
                    on_change(change)
        finally:
            self._shared.watchers.pop(self._process, None)

    # Sessions

    async def create_session(self, session: Session, *args: Any, **options: Any) -> Session:
        self._telling(("session", session.id))
        return await super().create_session(session, *args, **options)

    async def update_session(self, id: str, *args: Any, **options: Any) -> Session:
        self._telling(("session", id))
        return await super().update_session(id, *args, **options)

    async def delete_session(self, id: str) -> bool:
        self._telling(("session", id))
        return await super().delete_session(id)

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        chosen = None if only is None else to_json(sorted(only))
        return await self._write(lambda _: self._shared.claim(owner, limit, ttl, chosen))  # type: ignore[no-any-return]

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        mine = [lease for lease in leases if lease.owner == owner]
        return await self._write(lambda _: self._shared.renew(mine, ttl)) if mine else set()

    async def release(self, lease: Lease, *, lost: bool = False) -> None:
        if not lost:
            self._telling(("session", lease.session))
        await self._write(lambda _: self._shared.release(lease, lost))

    async def occupy(self, lease: Lease, account: str) -> str | None:
        return await self._write(lambda _: self._shared.occupy(lease, account))  # type: ignore[no-any-return]

    async def save_credentials(self, lease: Lease, *args: Any, **options: Any) -> None:
        self._lease = lease
        await super().save_credentials(lease, *args, **options)

    # Messages

    async def enqueue(self, message: OutboundMessage, **options: Any) -> Any:
        if message.state is MessageState.QUEUED:
            self._telling(("messages", message.session))
        elif message.state is MessageState.SENDING:
            self._lease = options.get("lease")
        return await super().enqueue(message, **options)

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], **options: Any) -> Any:
        ended = tuple(("message", one.id) for one in outcomes if one.state.final)
        self._telling(*ended, *((("events", None),) if ended and options.get("announce") else ()))
        self._lease = lease
        return await super().record_sends(lease, outcomes, **options)

    async def resolve_interrupted(self, lease: Lease, **options: Any) -> Any:
        self._lease = lease
        return await super().resolve_interrupted(lease, **options)

    async def append(self, lease: Lease, events: Sequence[NewEvent], cursor: str | None) -> int:
        if events:
            self._telling(("events", None))
        self._lease = lease
        return await super().append(lease, events, cursor)

    # Webhooks

    async def create_webhook(self, webhook: Webhook) -> Webhook:
        self._telling(("webhooks", None))
        return await super().create_webhook(webhook)

    async def update_webhook(self, webhook: Webhook) -> Webhook:
        self._telling(("webhooks", None))
        return await super().update_webhook(webhook)

    async def delete_webhook(self, id: str) -> bool:
        self._telling(("webhooks", None))
        return await super().delete_webhook(id)

    # Several engines

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        return await self._do(self._shared.beat, instance, ttl, patience)  # type: ignore[no-any-return]

    async def leave(self, name: str) -> None:
        await self._do(self._shared.leave, name)

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        return await self._do(self._shared.take_duties, owner, sorted(names), ttl)  # type: ignore[no-any-return]

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        await self._do(self._shared.drop_duties, owner, sorted(names))

    async def submit_call(self, call: InstanceCall) -> None:
        await self._do(self._shared.submit_call, call)

    async def take_calls(self, owner: str, *, limit: int) -> Sequence[InstanceCall]:
        return await self._do(self._shared.take_calls, owner, limit)  # type: ignore[no-any-return]

    async def answer_call(self, id: str, answer: bytes) -> bool:
        return await self._do(self._shared.answer_call, id, answer)  # type: ignore[no-any-return]

    async def fetch_answer(self, id: str) -> bytes | None:
        return await self._do(self._shared.fetch_answer, id)  # type: ignore[no-any-return]

    async def withdraw_call(self, id: str) -> bool:
        return await self._do(self._shared.withdraw_call, id)  # type: ignore[no-any-return]
