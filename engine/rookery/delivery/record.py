"""Records the outcomes of one endpoint's deliveries in batches: outcomes that arrive while one batch is being written
form the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio

from ..errors import InvalidInput, StoreError, StoreUnavailable
from ..log import get_logger
from ..model.instance import Duty
from ..model.webhook import DeliveryOutcome
from ..runtime.shields import Shields
from ..store.contract.webhooks import WebhookStore

UNSTORABLE = "an error whose text cannot be stored"

log = get_logger("DELIVERY")

OnRecorded = Callable[[bool], None]
"""Called with True once the outcome is durable, with False when the store did not accept it."""


class DeliveryRecord:
    """Owned by an endpoint; its task runs in the endpoint's nursery while there is something to record."""

    def __init__(self, webhook: str, store: WebhookStore, shields: Shields, seconds: float) -> None:
        """`seconds` bounds each write."""
        self.duty: Duty | None = None
        """Under which outcomes are recorded: on a shared store, none is once another engine has taken it over."""
        self._webhook = webhook
        self._store = store
        self._shields = shields
        self._seconds = seconds
        self._waiting: list[tuple[DeliveryOutcome, OnRecorded]] = []
        self._running = False
        self._writing = False

    @property
    def idle(self) -> bool:
        """True when every outcome has been dealt with."""
        return not (self._waiting or self._writing)

    def add(self, nursery: trio.Nursery, outcome: DeliveryOutcome, on_recorded: OnRecorded) -> None:
        """Record an outcome soon, even if the nursery is cancelled meanwhile. Never blocks."""
        self._waiting.append((outcome, on_recorded))
        if not self._running:
            self._running = True
            nursery.start_soon(self._run)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                recorded, self._writing = False, True
                try:
                    await self._write([outcome for outcome, _ in batch])
                    recorded = True
                except StoreError as error:
                    # A delivery that was made but not recorded is repeated with the same id.
                    log.warning("deliveries could not be recorded", webhook=self._webhook, error=str(error))
                finally:
                    self._writing = False
                    for _, on_recorded in batch:
                        on_recorded(recorded)
        finally:
            self._running = False

    async def _write(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        """Shielded: an outcome that is known is stored whatever ends the endpoint. Raises StoreError."""
        with self._shields.open(self._seconds) as scope:
            try:
                await self._store.record_deliveries(outcomes, duty=self.duty)
            except InvalidInput:  # an endpoint's own text cannot be stored
                await self._write_apart(outcomes)
        if scope.cancelled_caught:
            raise StoreUnavailable(f"recording a delivery took longer than {self._seconds:g} s")

    async def _write_apart(self, outcomes: Sequence[DeliveryOutcome]) -> None:
        for outcome in outcomes:
            try:
                await self._store.record_deliveries((outcome,), duty=self.duty)
            except InvalidInput:
                told = msgspec.structs.replace(outcome, error=UNSTORABLE)
                await self._store.record_deliveries((told,), duty=self.duty)
