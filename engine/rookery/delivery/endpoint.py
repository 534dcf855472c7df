"""Delivers to one endpoint: lanes in parallel, each lane in order, and no more than one window in memory (F3, F5)."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import trio

from ..errors import InvalidInput, NotFound, StoreError, StoreUnavailable
from ..log import get_logger
from ..model.webhook import Delivery, DeliveryOutcome, Webhook
from ..runtime.shields import Shields
from ..runtime.telemetry import Telemetry
from ..settings import EngineSettings
from ..store.contract.webhooks import DeliveryStore
from .attempts import attempt_of
from .tally import Notes
from .transport import Attempt, Route

WINDOW = 256
"""Number of deliveries of one endpoint that are read at once."""

STORE_RETRY_DELAY = 1.0  # seconds
STRIKES = 4
"""After this many consecutive failures the whole endpoint is tried one delivery at a time, with a pause between
deliveries. Each earlier failure halves the number of concurrent deliveries. Failures at the same moment count once:
they carry the same information."""

HOLD_MAX = 30.0
"""The longest such pause, as a multiple of the first, which is as long as the first delay after a failure (a
setting)."""

OnAnswer = Callable[[Webhook, Delivery, Attempt], Awaitable[Attempt]]
"""Carries out an endpoint's answer and returns the attempt with the result. Never raises."""

log = get_logger("DELIVERY")


def retry_delay(
    settings: EngineSettings, attempts: int, *, uniform: Callable[[float, float], float] = random.uniform
) -> float:
    """Seconds to wait after the `attempts`-th failure: tripled each time, bounded, with a tenth of jitter."""
    delay = min(settings.webhook_backoff * 3.0 ** min(attempts - 1, 40), settings.webhook_backoff_max)
    return delay * uniform(1.0, 1.1)


class Endpoint:
    """One enabled webhook or sink, whatever transport leads to it. The dispatcher owns its task."""

    def __init__(
        self,
        webhook: Webhook,
        store: DeliveryStore,
        settings: EngineSettings,
        telemetry: Telemetry,
        notes: Notes,
        clock: Callable[[], float],
        shields: Shields,
    ) -> None:
        self.webhook = webhook
        self._store = store
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._shields = shields
        self._ready: deque[tuple[str, deque[Delivery]]] = deque()
        self._busy: set[str] = set()  # lanes that are being delivered or wait in `_ready`
        self._active = 0
        self._wake = trio.Event()
        self._strikes = 0
        self._struck_at = -float("inf")
        self._hold_until = -float("inf")
        self._closing = False
        self._notes = notes
        self.on_answer: OnAnswer | None = None

    def wake(self) -> None:
        """There may be new deliveries."""
        self._wake.set()

    def try_now(self) -> None:
        """An operator changed a webhook or asked for a retry: the endpoint may work again."""
        self._hold_until = -float("inf")
        self.wake()

    async def close(self) -> None:
        """Start no further delivery and return when none is under way. The caller sets the deadline."""
        self._closing = True
        self.wake()
        while self._active:
            self._wake = trio.Event()
            await self._wake.wait()

    async def run(self, route: Route) -> None:
        """Deliver by this route until cancelled or gone."""
        async with trio.open_nursery() as nursery:
            while not self._closing:
                self._wake = trio.Event()
                try:
                    retry_at = await self._fill()
                except NotFound:
                    return
                except StoreError as error:
                    log.warning("deliveries cannot be read", webhook=self.webhook.id, error=str(error))
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                while self._ready and self._active < self._width():
                    self._active += 1
                    nursery.start_soon(self._deliver_lane, route, *self._ready.popleft())
                if self._ready and self._hold_until > trio.current_time():
                    retry_at = min(retry_at, self._hold_until)
                with trio.move_on_at(retry_at):
                    await self._wake.wait()

    def _width(self) -> int:
        """How many lanes may be under way now."""
        if self._strikes < STRIKES:
            return max(1, self._settings.webhook_concurrency >> self._strikes)
        return 1 if trio.current_time() >= self._hold_until else 0

    async def _fill(self) -> float:
        """Read a window when none is left. Returns the trio time at which a parked lane is due."""
        if self._ready or self._active >= self._settings.webhook_concurrency:
            return float("inf")
        now = self._clock()
        rows = await self._store.pending_deliveries(self.webhook.id, now=now, busy=self._busy, limit=WINDOW)
        lanes: dict[str, deque[Delivery]] = {}
        for row in rows:
            lanes.setdefault(row.lane, deque()).append(row)
        self._busy.update(lanes)
        self._ready.extend(lanes.items())
        retry_at = await self._store.next_retry_at(self.webhook.id, after=now)
        return float("inf") if retry_at is None else trio.current_time() + max(0.0, retry_at - now)

    async def _deliver_lane(self, route: Route, lane: str, queue: deque[Delivery]) -> None:
        try:
            while queue and not self._closing:
                delivery = queue.popleft()
                started, began_at = trio.current_time(), self._clock()
                attempt = await route.deliver(delivery, now=began_at)
                seconds = trio.current_time() - started
                self._telemetry.observe("delivery", seconds)
                if self.on_answer is not None and attempt.answer and self.webhook.replies:
                    attempt = await self.on_answer(self.webhook, delivery, attempt)
                self._judge(attempt, started)
                shown = attempt_of(self.webhook, delivery, attempt, at=began_at, seconds=seconds)
                self._notes.add(self.webhook.id, shown, is_posted=attempt.posted)
                await self._record(self._outcome(delivery, attempt))
                if attempt.gone:
                    await self._disable()
                if not attempt.delivered:
                    break
        except StoreError as error:
            # A delivery that was made but not recorded is repeated with the same id.
            log.warning("a delivery could not be recorded", webhook=self.webhook.id, error=str(error))
            await trio.sleep(STORE_RETRY_DELAY)
        finally:
            self._busy.discard(lane)
            self._active -= 1
            self.wake()

    def _judge(self, attempt: Attempt, started: float) -> None:
        if attempt.delivered:
            self._telemetry.count("deliveries", "delivered")
            self._strikes = 0
            return
        if started < self._struck_at:
            return
        self._strikes += 1
        self._struck_at = trio.current_time()
        if self._strikes >= STRIKES:
            pause = min(2.0 ** min(self._strikes - STRIKES, 10), HOLD_MAX) * self._settings.webhook_backoff
            self._hold_until = trio.current_time() + min(pause, self._settings.webhook_backoff_max)

    def _outcome(self, delivery: Delivery, attempt: Attempt) -> DeliveryOutcome:
        now = self._clock()
        attempts = delivery.attempts + 1
        retry_at = None
        if not attempt.delivered and attempts < self._settings.webhook_attempts:
            retry_at = now + max(retry_delay(self._settings, attempts), attempt.retry_after or 0.0)
        if not attempt.delivered:
            self._telemetry.count("deliveries", "failed" if retry_at else "dead")
            log.warning(
                "a delivery failed" if retry_at else "a delivery was given up",
                webhook=self.webhook.id,
                session=delivery.event.session,
                event_id=delivery.event.id,
                attempts=attempts,
                error=attempt.error,
            )
        return DeliveryOutcome(
            webhook=self.webhook.id,
            event_id=delivery.event.id,
            delivered=attempt.delivered,
            at=now,
            retry_at=retry_at,
            error=attempt.error,
        )

    async def _record(self, outcome: DeliveryOutcome) -> None:
        with self._shields.open(self._settings.store_timeout) as scope:
            try:
                await self._store.record_deliveries((outcome,))
            except InvalidInput:  # the endpoint's own text cannot be stored
                outcome = msgspec.structs.replace(outcome, error="an error whose text cannot be stored")
                await self._store.record_deliveries((outcome,))
        if scope.cancelled_caught:
            raise StoreUnavailable(f"recording a delivery took longer than {self._settings.store_timeout:g} s")

    async def _disable(self) -> None:
        log.warning("the endpoint answered 410: the webhook is disabled", webhook=self.webhook.id)
        self._closing = True
        with suppress(NotFound):
            current = await self._store.get_webhook(self.webhook.id)
            if current == self.webhook:  # otherwise the operator has changed it meanwhile, perhaps its address
                await self._store.update_webhook(
                    msgspec.structs.replace(current, enabled=False, updated_at=self._clock())
                )
