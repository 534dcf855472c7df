"""Delivers to one endpoint: lanes in parallel, each lane in order, and a bounded number in memory (F3, F5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import outcome
import trio

from ..errors import NotFound, StoreError
from ..log import get_logger
from ..model.instance import Duty
from ..model.webhook import Delivery, DeliveryOutcome, Webhook
from ..runtime.shields import Shields
from ..runtime.signals import Signal
from ..runtime.telemetry import Telemetry
from ..settings import EngineSettings
from ..store.contract.webhooks import WebhookStore
from .attempts import attempt_of, secrets_of
from .record import DeliveryRecord
from .strikes import Strikes, retry_delay
from .tally import Notes
from .transports.transport import Attempt, Route

WINDOW = 256
"""Number of deliveries of one endpoint that are read at once."""

LOW = WINDOW // 2
"""When more deliveries wait in the store, the next window is read once only this many of the last one are left, so that
the endpoint stays busy meanwhile."""

STORE_RETRY_DELAY = 1.0  # seconds
LINGER = 1.0
"""Seconds without a delivery after which the tasks that make them end."""

OnAnswer = Callable[[Webhook, Delivery, Attempt], Awaitable[Attempt]]
"""Carries out an endpoint's answer and returns the attempt with the result. Never raises."""

log = get_logger("DELIVERY")


class _Lane(msgspec.Struct):
    """The deliveries of one lane that are in memory."""

    name: str
    deliveries: deque[Delivery]
    erasures: int  # how many there had been when these were read


class Endpoint:
    """One enabled webhook or sink, whatever transport leads to it. The dispatcher owns its task."""

    def __init__(
        self,
        webhook: Webhook,
        store: WebhookStore,
        settings: EngineSettings,
        telemetry: Telemetry,
        notes: Notes,
        clock: Callable[[], float],
        shields: Shields,
        erased: Signal,
    ) -> None:
        self.webhook = webhook
        self._erased = erased
        self._store = store
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._record = DeliveryRecord(webhook.id, store, shields, settings.store_timeout)
        self._ready: deque[_Lane] = deque()
        self._busy: set[str] = set()  # lanes in memory
        self._held = 0  # deliveries in memory, without those under way
        self._is_more = False  # the last window was full
        self._active = 0  # deliveries under way
        self._parked: list[trio.lowlevel.Task] = []
        self._wake = trio.Event()
        self._strikes = Strikes(settings)
        self._secrets = secrets_of(webhook)
        self.is_closing = False  # no further delivery starts
        self._notes = notes
        self.on_answer: OnAnswer | None = None

    def hold(self, duty: Duty) -> None:
        """Record outcomes under this duty."""
        self._record.duty = duty

    def wake(self) -> None:
        """There may be new deliveries."""
        self._wake.set()

    def try_now(self) -> None:
        """An operator changed a webhook or asked for a retry: the endpoint may work again."""
        self._strikes.release()
        self.wake()

    async def close(self) -> None:
        """Start no further delivery and return when none is under way. The caller sets the deadline."""
        self.is_closing = True
        self.wake()
        while self._active or not self._record.idle:
            self._wake = trio.Event()
            await self._wake.wait()

    async def run(self, route: Route) -> None:
        """Deliver by this route until cancelled or gone."""
        async with trio.open_nursery() as nursery:
            self._nursery, self._route = nursery, route
            while not self.is_closing:
                self._wake = trio.Event()
                try:
                    retry_at = await self._fill()
                except NotFound:
                    break
                except StoreError as error:
                    log.warning("deliveries cannot be read", webhook=self.webhook.id, error=str(error))
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                self._begin()
                if self._ready and self._strikes.hold_until > trio.current_time():
                    retry_at = min(retry_at, self._strikes.hold_until)
                await self._rest(retry_at)
            self.is_closing = True
            self._release()

    async def _rest(self, retry_at: float) -> None:
        """Wait until there may be something to deliver, at most until `retry_at`; idle tasks end after a moment."""
        if self._parked and not self._busy and retry_at > trio.current_time() + LINGER:
            with trio.move_on_after(LINGER):
                await self._wake.wait()
                return
            self._release()
        with trio.move_on_at(retry_at):
            await self._wake.wait()

    async def _fill(self) -> float:
        """Read a window when the last one is used up, or nearly. Returns the trio time at which a parked lane is due."""
        is_low = self._is_more and self._held < LOW
        if (self._ready or len(self._busy) >= self._settings.webhook_concurrency) and not is_low:
            return float("inf")
        now, erasures = self._clock(), self._erased.version
        rows = await self._store.pending_deliveries(self.webhook.id, now=now, busy=self._busy, limit=WINDOW)
        lanes: dict[str, deque[Delivery]] = {}
        for row in rows:
            lanes.setdefault(row.lane, deque()).append(row)
        self._held += len(rows)
        self._is_more = len(rows) == WINDOW
        self._busy.update(lanes)
        self._ready.extend(_Lane(name, deliveries, erasures) for name, deliveries in lanes.items())
        if self._is_more:
            return float("inf")  # the next window has the lanes that are due by then
        retry_at = await self._store.next_retry_at(self.webhook.id, after=now)
        return float("inf") if retry_at is None else trio.current_time() + max(0.0, retry_at - now)

    def _begin(self) -> None:
        """Start as many deliveries as the endpoint may have under way."""
        while (lane := self._next()) is not None:
            if self._parked:
                trio.lowlevel.reschedule(self._parked.pop(), outcome.Value(lane))
            else:
                self._nursery.start_soon(self._work, lane)

    async def _work(self, lane: _Lane | None) -> None:
        """Make one delivery after another, so that a delivery creates no task."""
        while lane is not None:
            delivered = False
            try:
                await self._deliver(lane)
                delivered = True
            finally:
                self._active -= 1
                if not delivered:
                    self._drop(lane)
            lane = self._next()
            if lane is None:
                if self.is_closing:
                    self.wake()
                lane = await self._park()

    def _next(self) -> _Lane | None:
        """The lane whose first delivery begins now, if one may. Lanes that were read before a chat was erased are read
        again."""
        while self._ready and self._active < self._strikes.width and not self.is_closing:
            lane = self._ready.popleft()
            if lane.erasures == self._erased.version:
                self._active += 1
                return lane
            self._drop(lane)
        return None

    async def _park(self) -> _Lane | None:
        """Wait for the next delivery. None: no more is needed of this task."""
        if self.is_closing:
            return None
        task = trio.lowlevel.current_task()
        self._parked.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        lane: _Lane | None = await trio.lowlevel.wait_task_rescheduled(abort)
        return lane

    def _release(self) -> None:
        """Let the idle tasks end."""
        parked, self._parked = self._parked, []
        for task in parked:
            trio.lowlevel.reschedule(task, outcome.Value(None))

    async def _deliver(self, lane: _Lane) -> None:
        """Make the lane's first delivery. The next one follows when its outcome is durable."""
        delivery = lane.deliveries.popleft()
        self._held -= 1
        started, began_at = trio.current_time(), self._clock()
        attempt = await self._route.deliver(delivery, now=began_at)
        seconds = trio.current_time() - started
        self._telemetry.observe("delivery", seconds)
        if self.on_answer is not None and attempt.answer and self.webhook.replies:
            attempt = await self.on_answer(self.webhook, delivery, attempt)
        self._strikes.judge(delivered=attempt.delivered, started=started)
        if attempt.delivered:
            self._telemetry.count("deliveries", "delivered")
        shown = attempt_of(delivery, attempt, hidden=self._secrets, at=began_at, seconds=seconds)
        now = self._clock()
        self._notes.add(self.webhook.id, shown, at=now, is_posted=attempt.posted)
        self._record.add(self._nursery, self._outcome(delivery, attempt, now), partial(self._recorded, lane, attempt))

    def _recorded(self, lane: _Lane, attempt: Attempt, stored: bool) -> None:
        if not stored:
            self._nursery.start_soon(self._drop_later, lane)
            return
        if attempt.gone:
            self.is_closing = True
            self._nursery.start_soon(self._disable)
        if attempt.delivered and lane.deliveries and not self.is_closing:
            self._ready.append(lane)
            self._begin()
        else:
            self._drop(lane)

    async def _drop_later(self, lane: _Lane) -> None:
        try:
            await trio.sleep(STORE_RETRY_DELAY)
        finally:
            self._drop(lane)

    def _drop(self, lane: _Lane) -> None:
        """Forget the lane; its remaining events are read again."""
        self._held -= len(lane.deliveries)
        self._busy.discard(lane.name)
        self.wake()

    def _outcome(self, delivery: Delivery, attempt: Attempt, now: float) -> DeliveryOutcome:
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

    async def _disable(self) -> None:
        log.warning("the endpoint answered 410: the webhook is disabled", webhook=self.webhook.id)
        while True:
            try:
                current = await self._store.get_webhook(self.webhook.id)
                if current == self.webhook:  # otherwise the operator has changed it meanwhile, perhaps its address
                    await self._store.update_webhook(
                        msgspec.structs.replace(current, enabled=False, updated_at=self._clock())
                    )
            except NotFound:
                return
            except StoreError as error:
                log.warning("a webhook could not be disabled", webhook=self.webhook.id, error=str(error))
                await trio.sleep(STORE_RETRY_DELAY)
            else:
                return
