"""Final states of sends on their way to PostgreSQL: waiting states of one session share one statement and one commit.

Each state comes with an event, and one transaction at a time writes the log (see `append_3` in the migrations), so
states written one by one would wait for as many commits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from ....errors import RookeryError, own_copy
from ....model.message import Recorded, SendOutcome
from ....model.session import Lease

Write = Callable[[Lease, Sequence[SendOutcome]], Awaitable[Recorded]]


class _Batch:
    """The caller that opened a batch writes it; the others wait. It has neither a result nor an error when its writer
    was cancelled."""

    def __init__(self) -> None:
        self.outcomes: list[SendOutcome] = []
        self.done = trio.Event()
        self.recorded: Recorded | None = None
        self.error: Exception | None = None


class OutcomeBatches:
    """Writes the first state of a session at once; states that arrive meanwhile are written together afterwards."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._open: dict[Lease, _Batch] = {}
        self._writing: dict[Lease, trio.Event] = {}

    async def record(self, lease: Lease, outcomes: Sequence[SendOutcome]) -> Recorded:
        """Raises what the write raises. Writing a state twice changes nothing, so the other callers repeat what a
        cancelled writer may have written."""
        while (batch := self._open.get(lease)) is not None:
            batch.outcomes += outcomes
            await batch.done.wait()
            if isinstance(batch.error, RookeryError):
                raise own_copy(batch.error)
            if batch.error is not None:
                raise batch.error
            if batch.recorded is not None:
                return batch.recorded
        batch = self._open[lease] = _Batch()
        batch.outcomes += outcomes
        try:
            while (writing := self._writing.get(lease)) is not None:
                await writing.wait()
            del self._open[lease]
            self._writing[lease] = batch.done
            try:
                batch.recorded = await self._write(lease, batch.outcomes)
            except Exception as error:
                batch.error = error
                raise
            finally:
                del self._writing[lease]
            return batch.recorded
        finally:
            if self._open.get(lease) is batch:
                del self._open[lease]
            batch.done.set()
