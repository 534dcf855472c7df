"""Planted faults: mistakes that somebody could make in the engine, each of which the simulation must find.

A mutant is one function with a part of its source replaced. It is put in the place of the real one by its code object, so
that everybody who has imported the function gets it.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any

import msgspec


class Mutant(msgspec.Struct, frozen=True):
    """`function` is `module:qualified.name`; `old` stands in its source exactly once."""

    name: str
    function: str
    old: str
    new: str
    focus: tuple[str, ...] = ()
    """Kinds of faults that show it, where a life of all kinds seldom does."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Inside, the function has the fault. Raises LookupError when its source has changed."""
        target = self._target()
        source = textwrap.dedent(inspect.getsource(target))
        if source.count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.function} has {source.count(self.old)} times {self.old!r}")
        real, fault = target.__code__, self._compiled(target, source.replace(self.old, self.new))
        target.__code__ = fault
        try:
            yield
        finally:
            target.__code__ = real

    def _target(self) -> FunctionType:
        module, _, path = self.function.partition(":")
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = inspect.getattr_static(found, name)
        if isinstance(found, property):
            found = found.fget
        found = inspect.unwrap(found)
        assert isinstance(found, FunctionType)
        return found

    def _compiled(self, target: FunctionType, source: str) -> CodeType:
        code = compile("from __future__ import annotations\n" + source, inspect.getfile(target), "exec")
        for constant in code.co_consts:
            if isinstance(constant, CodeType) and constant.co_name == target.__name__:
                return constant
        raise LookupError(self.function)


_STORE = "rookery.store.sqlite"
MUTANTS = (
    Mutant(
        "events are stored without looking at the fence",
        f"{_STORE}.events:_append",
        "raise LeaseLost(lease.session)",
        "connection.execute('UPDATE sessions SET cursor = ? WHERE uid = ?', (cursor, lease.uid))",
        ("pause", "split_hang"),
    ),
    Mutant(
        "statuses are written without looking at the fence",
        f"{_STORE}.sessions:_record_statuses",
        "connection.execute(sql, held).fetchone()",
        "connection.execute(sql.partition(' AND ')[0], held[:1]).fetchone()",
    ),
    Mutant(
        "a status that comes late is written over a later one",
        f"{_STORE}.sessions:_record_statuses",
        "if before[5] == write.lease.fence and before[6] >= write.number:",
        "if False:",
        ("split_hang", "database_slow", "phone_cut"),
    ),
    Mutant(
        "an unknown outcome is tried again",
        "rookery.outbound.attempt:judge",
        "case OutcomeUnknown() | ProviderError():\n            return unknown(message, str(error), now=now)",
        "case OutcomeUnknown() | ProviderError():\n            return Pause(1.0, False, str(error))",
    ),
    Mutant(
        "a refused send counts as sent",
        "rookery.outbound.attempt:judge",
        "state=MessageState.FAILED",
        "state=MessageState.SENT",
    ),
    Mutant(
        "a message leaves before it is stored as SENDING",
        "rookery.outbound.rounds:Rounds._store_outcomes",
        "outcomes.append(SendOutcome(id=item.message.id, state=MessageState.SENDING, at=now))",
        "pass",
        ("kill",),
    ),
    Mutant(
        "an outcome that the store did not take is dropped",
        "rookery.outbound.rounds:Rounds._stored",
        "if item.retry_in is None and not failed:",
        "if item.retry_in is None:",
        ("split_refuse", "database_refuses"),
    ),
    Mutant(
        "states of sends are written without looking at the fence",
        f"{_STORE}.messages.outcomes:record_sends",
        "check_lease(database.connection, lease)",
        "database.connection.execute('SELECT platform FROM sessions WHERE uid = ?', (lease.uid,)).fetchone()[0]",
        ("pause", "network_hangs"),
    ),
    Mutant(
        "a final state gives way to any other",
        "rookery.model.message:may_follow",
        "STATE_RANKS[stored] == 0 or STATE_RANKS[new] >= STATE_RANKS[stored]",
        "True",
        ("network_lossy", "split_hang", "database_lossy"),
    ),
    Mutant(
        "a lease is trusted for ever",
        "rookery.supervisor.leases:LeaseKeeper.granted",
        "runner.trust_until(since + self._settings.lease_ttl - self._settings.lease_margin)",
        "pass",
    ),
    Mutant(
        "a lease is trusted beyond its end",
        "rookery.supervisor.leases:LeaseKeeper.granted",
        "- self._settings.lease_margin",
        "+ self._settings.lease_ttl",
    ),
    Mutant(
        "a lease counts from the answer, not from the question",
        "rookery.supervisor.leases:LeaseKeeper.run",
        "self.granted(runner, started)",
        "self.granted(runner, trio.current_time() + self._settings.lease_ttl)",
    ),
    Mutant(
        "a lost lease is taken for a renewed one",
        "rookery.supervisor.leases:LeaseKeeper.run",
        "if runner.lease.session in held:",
        "if True:",
        ("pause", "split_hang"),
    ),
    Mutant(
        "a release is forgotten",
        "rookery.session.runner:SessionRunner._finish",
        "await self._services.store.release(self.lease)",
        "pass",
        ("deploy", "verb_stop"),
    ),
    Mutant(
        "the shield around the end of a session is dropped",
        "rookery.session.runner:SessionRunner.run",
        "with self._services.shields.open(self._settings.store_timeout):",
        "with trio.move_on_after(0):",
        ("deploy", "verb_restart"),
    ),
    Mutant(
        "a shutdown disables its sessions",
        "rookery.session.runner:SessionRunner._finish",
        "await self.outbox.settle()",
        "await self.outbox.settle(); from rookery.model import SessionChange as C; "
        "await self._services.store.update_session(self.session.id, C(enabled=False), now=0.0)",
    ),
    Mutant(
        "a new task does not wait for the end of the one before",
        "rookery.supervisor.supervisor:Supervisor._run",
        "await earlier.ended.wait()",
        "pass",
        ("pause", "split_hang", "network_hangs"),
    ),
    Mutant(
        "an update is confirmed before it is stored",
        "rookery_telegram.receiving.polls:Polls._poll",
        "await self._inbox.commit(events, after.dump())",
        "await self._api.ask('getUpdates', {'offset': after.offset, 'timeout': 0}); "
        "await self._inbox.commit(events, after.dump())",
    ),
    Mutant(
        "the offset moves on by one too many",
        "rookery_telegram.receiving.position:Position.after",
        "ids[-1] + 1",
        "ids[-1] + 2",
        ("kill",),
    ),
    Mutant(
        "each batch of updates begins an epoch",
        "rookery_telegram.receiving.position:Position.epoch_of",
        "return self.epoch\n    idle",
        "return self.epoch + 1\n    idle",
        ("replay", "kill"),
    ),
    Mutant(
        "a conflict confirms what was not stored",
        "rookery_telegram.receiving.polls:Polls.confirm",
        '"offset": self._position.offset,',
        '"offset": self._position.offset + 1,',
        ("deploy", "stranger", "database_refuses"),
    ),
    Mutant(
        "a failed commit counts as done",
        "rookery.session.inbox:SessionInbox.commit",
        "attempt += 1",
        "break",
    ),
    Mutant(
        "a send without an answer is tried again",
        "rookery_telegram.bot_api.errors:send_error",
        'return OutcomeUnknown(f"no answer from the Bot API: {error}")',
        'return NotConnected(f"no answer from the Bot API: {error}")',
        ("network_lossy",),
    ),
    Mutant(
        "what an owner had in its hands when it died is sent again",
        f"{_STORE}.messages.messages:SqliteMessages.resolve_interrupted",
        "SET state = 'unknown'",
        "SET state = 'queued'",
        ("kill", "network_lossy"),
    ),
    Mutant(
        "a failed delivery counts as made",
        "rookery.delivery.endpoint:Endpoint._outcome",
        "delivered=attempt.delivered,",
        "delivered=True,",
        ("endpoint_fails",),
    ),
    Mutant(
        "a lane goes on after a failure",
        "rookery.delivery.endpoint:Endpoint._recorded",
        "if attempt.delivered and lane.deliveries",
        "if lane.deliveries",
        ("endpoint_lossy", "endpoint_fails"),
    ),
    Mutant(
        "a lane is delivered twice at once",
        "rookery.delivery.endpoint:Endpoint._fill",
        "self._busy.update(lanes)",
        "pass",
        ("endpoint_slow",),
    ),
    Mutant(
        "a webhook is delivered to for as long as the engine lives",
        "rookery.delivery.dispatcher:Dispatcher.run",
        "scope.deadline = self._trusted_until",
        "pass",
        ("pause", "split_hang", "endpoint_slow"),
    ),
    Mutant(
        "a new event is not addressed to webhooks",
        f"{_STORE}.events:_append",
        "if inserted:",
        "if inserted > 1:",
    ),
    Mutant(
        "the gate never lets go of a place",
        "rookery.runtime.start_gate:StartGate.leave",
        "limiter.release_on_behalf_of(who)",
        "pass",
        ("network_refuses", "verb_restart"),
    ),
    Mutant(
        "receiving never resumes after a backlog",
        "rookery.background.backlog:BacklogWatch._judge",
        "runner.resume()",
        "pass",
        ("endpoint_hangs", "endpoint_fails"),
    ),
    Mutant(
        "a status that the store did not take is dropped",
        "rookery.runtime.status_board:StatusBoard._write",
        "self._waiting[session] = (writes + self._waiting.get(session, []))[-HISTORY_LENGTH:]",
        "pass",
        ("database_refuses", "split_refuse", "phone_cut"),
    ),
    Mutant(
        "a bot's place is kept when its link is gone",
        "rookery_telegram.provider:Telegram._let_go",
        "del self._bots[bot]",
        "pass",
        ("verb_restart", "network_refuses"),
    ),
    Mutant(
        "an operator's start is overlooked",
        "rookery.model.session:Session.wanted",
        "self.enabled and not (self.health.terminal and self.commands == self.heeded)",
        "self.enabled and not self.health.terminal",
        ("revoke", "phone_unlinked", "verb_start"),
    ),
    Mutant(
        "an orphan is left alone",
        "rookery.supervisor.decisions:decide",
        "decisions.append(Orphan(row))",
        "pass",
        ("kill", "split_hang", "pause"),
    ),
    Mutant(
        "a session that is not wanted any more runs on",
        "rookery.supervisor.decisions:decide",
        "decisions.append(Stop(id))",
        "pass",
        ("verb_stop", "verb_delete"),
    ),
)
