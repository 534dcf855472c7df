"""Decides about sessions from the stored rows and the running tasks. Pure: no I/O, no clock.

The supervisor calls this and carries out the decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from ..model.session import Session


class Running(Protocol):
    """What a decision needs to know about a running session."""

    @property
    def session(self) -> Session: ...

    @property
    def stopping(self) -> bool: ...


class Stop(msgspec.Struct, frozen=True):
    """The session is no longer wanted."""

    id: str


class Replace(msgspec.Struct, frozen=True):
    """The operator asked for a restart, or changed what the link was opened with."""

    session: Session


class Retry(msgspec.Struct, frozen=True):
    """The operator asked for an attempt now."""

    session: Session


class Lost(msgspec.Struct, frozen=True):
    """The row is gone or belongs to another owner."""

    id: str


class Orphan(msgspec.Struct, frozen=True):
    """The row says that this engine runs the session, but it does not: the task ended without releasing the lease."""

    session: Session


Decision = Stop | Replace | Retry | Lost | Orphan


def differing(rows: Iterable[Session], running: Mapping[str, Running], owner: str) -> set[str]:
    """The sessions about which something is to be decided, given all rows of this owner."""
    rows = list(rows)
    asked = running.keys() | {row.id for row in rows}
    decisions = decide(rows, asked, running, owner)
    return {found.id if isinstance(found, Stop | Lost) else found.session.id for found in decisions}


def decide(rows: Iterable[Session], asked: Iterable[str], running: Mapping[str, Running], owner: str) -> list[Decision]:
    """Compare the rows of the sessions `asked` about with the tasks that run here.

    Sessions that are wanted and free are not decided here: the store's claim does that in one statement.
    """
    stored = {row.id: row for row in rows}
    decisions: list[Decision] = []
    for id in asked:
        row, runner = stored.get(id), running.get(id)
        if runner is None:
            if row is not None and row.owner == owner:
                decisions.append(Orphan(row))
        elif runner.stopping:
            continue
        elif row is None or row.uid != runner.session.uid or row.fence != runner.session.fence:
            decisions.append(Lost(id))
        elif not row.enabled:
            decisions.append(Stop(id))
        elif row.restarts != runner.session.restarts:
            decisions.append(Replace(row))
        elif row.commands != runner.session.commands:
            decisions.append(Retry(row))
    return decisions
