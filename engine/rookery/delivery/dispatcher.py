"""Runs one `Endpoint` per enabled webhook and applies changes to webhooks.

Where several engines share a store, each webhook is the duty of one engine at a time, so that its chats stay in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.instance import Duty
from ..model.webhook import Webhook
from ..runtime.shields import Shields
from ..runtime.signals import Signals
from ..runtime.telemetry import Telemetry
from ..settings import EngineSettings
from ..store.contract import Store
from .brokers.commands import CommandTransport, OnCommands
from .brokers.reader import CommandReader
from .endpoint import Endpoint, OnAnswer
from .tally import Notes
from .transports.opening import kind_of, open_transport
from .transports.transport import Transport

STORE_RETRY_DELAY = 1.0  # seconds
CLOSE_SECONDS = 1.0
"""Seconds that deliveries under way may still take when the engine stops."""

log = get_logger("DELIVERY")


class Dispatcher:
    """All webhooks of one engine, which owns its task."""

    def __init__(
        self,
        owner: str,
        store: Store,
        settings: EngineSettings,
        signals: Signals,
        telemetry: Telemetry,
        clock: Callable[[], float],
        shields: Shields,
        *,
        on_duty: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_duty` says whether this engine may deliver at present. While it returns False, this engine leaves
        webhooks to others."""
        self._owner = owner
        self._store = store
        self._settings = settings
        self._signals = signals
        self._telemetry = telemetry
        self._clock = clock
        self._shields = shields
        self._on_duty = on_duty
        self._notes = Notes(store, clock)
        self.on_answer: OnAnswer | None = None
        """Carries out an endpoint's answer. None: answers have no effect."""
        self.on_commands: OnCommands | None = None
        """Carries out commands that a sink reads. None: none are read."""
        self._closing = False
        self._unreadable: dict[str, str] = {}
        self._endpoints: dict[str, tuple[Endpoint, trio.CancelScope]] = {}
        self._readers: dict[str, CommandReader] = {}
        self._transports: dict[str, Transport] = {}
        self._trusted_until = float("inf")
        self._delivers = trio.Event()  # set with the first endpoint

    @property
    def endpoints(self) -> list[Endpoint]:
        """The endpoints that are running now."""
        return [endpoint for endpoint, _ in self._endpoints.values()]

    @property
    def delivering(self) -> frozenset[str]:
        """The ids of the webhooks and sinks to which this engine may deliver now."""
        return frozenset(
            id for id, (endpoint, scope) in self._endpoints.items() if not (scope.cancel_called or endpoint.is_closing)
        )

    async def run(self) -> None:
        """Run until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wake_on_events)
            nursery.start_soon(self._notes.run)
            version = self._signals.webhooks.version
            while not self._closing:
                told, version = version, self._signals.webhooks.version
                started = trio.current_time()
                try:
                    wanted = await self._take()
                except StoreError as error:
                    log.warning("webhooks cannot be read", error=str(error))
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                settings = self._settings
                if not self._closing:
                    self._leave(wanted)
                    if self._store.shared:
                        # Every endpoint is cut off by this deadline, whatever this task is doing: after it, other
                        # engines may deliver.
                        self._trusted_until = started + settings.lease_ttl - settings.lease_margin
                        for _, scope in self._endpoints.values():
                            scope.deadline = self._trusted_until
                    for kind in {kind_of(webhook) for webhook in wanted.values()} - self._transports.keys():
                        self._transports[kind] = await nursery.start(self._keep_open, kind)
                    self._follow(nursery, wanted, told=version != told)
                with trio.move_on_after(settings.lease_renew_interval if self._store.shared else float("inf")):
                    await self._signals.webhooks.newer_than(version)

    async def close(self) -> None:
        """Start no further delivery. Returns when no delivery is under way and the duties are free for other engines.
        The caller sets the deadline."""
        self._closing = True
        await self._hand_over()

    async def _hand_over(self) -> None:
        # A delivery that is cut off is repeated with the same id; an endpoint that hangs must not use up the shutdown
        # grace.
        with trio.move_on_after(CLOSE_SECONDS):
            async with trio.open_nursery() as nursery:
                for reader in self._readers.values():
                    nursery.start_soon(reader.close)
                for endpoint in self.endpoints:
                    nursery.start_soon(endpoint.close)
        await self._notes.flush()
        try:
            await self._store.drop_duties(self._owner, [_duty(id) for id in self._endpoints])
        except StoreError as error:
            log.warning("webhooks could not be handed over", error=str(error))

    async def _take(self) -> dict[str, Webhook]:
        """Return the webhooks that this engine delivers to."""
        if self._closing:
            return {}
        if not self._on_duty():
            if self._endpoints:
                await self._hand_over()
            return {}
        enabled = [webhook for webhook in await self._store.list_webhooks() if webhook.enabled]
        self._tell_unreadable(enabled)
        webhooks = {_duty(webhook.id): webhook for webhook in enabled if webhook.unreadable is None}
        held = await self._store.take_duties(self._owner, webhooks, ttl=self._settings.lease_ttl) if webhooks else ()
        return {webhook.id: webhook for name, webhook in webhooks.items() if name in held}

    def _tell_unreadable(self, webhooks: Iterable[Webhook]) -> None:
        troubles = {webhook.id: webhook.unreadable for webhook in webhooks if webhook.unreadable is not None}
        for id, words in troubles.items():
            if self._unreadable.get(id) != words:
                log.error("nothing is delivered to a webhook", webhook=id, error=words)
        self._unreadable = troubles

    def _leave(self, wanted: dict[str, Webhook]) -> None:
        for id, (endpoint, scope) in list(self._endpoints.items()):
            if wanted.get(id) != endpoint.webhook or scope.cancel_called:
                scope.cancel()
                del self._endpoints[id]
                self._notes.leave(id)

    async def _keep_open(self, kind: str, *, task_status: trio.TaskStatus[Transport]) -> None:
        """Keep one transport open, from the first endpoint that needs it until the dispatcher ends."""
        async with open_transport(kind, self._settings, self._store.installation) as transport:
            task_status.started(transport)
            await trio.sleep_forever()

    def _follow(self, nursery: trio.Nursery, wanted: dict[str, Webhook], *, told: bool) -> None:
        """`told`: a webhook was changed, or dead letters are to be retried."""
        for id, webhook in wanted.items():
            if id in self._endpoints:
                endpoint, _ = self._endpoints[id]
                if told:
                    endpoint.try_now()
                else:
                    endpoint.wake()
            else:
                endpoint = Endpoint(
                    webhook,
                    self._store,
                    self._settings,
                    self._telemetry,
                    self._notes,
                    self._clock,
                    self._shields,
                    self._signals.erased,
                )
                endpoint.on_answer = self.on_answer
                endpoint.hold(Duty(self._owner, _duty(id)))
                scope = trio.CancelScope(deadline=self._trusted_until)
                self._endpoints[id] = (endpoint, scope)
                self._delivers.set()
                nursery.start_soon(self._run, endpoint, scope)

    async def _run(self, endpoint: Endpoint, scope: trio.CancelScope) -> None:
        with scope:
            webhook = endpoint.webhook
            seconds = webhook.timeout or self._settings.webhook_timeout
            try:
                transport = self._transports[kind_of(webhook)]
                async with trio.open_nursery() as nursery, transport.open_route(webhook, seconds=seconds) as route:
                    if webhook.commands is not None and isinstance(transport, CommandTransport):
                        nursery.start_soon(self._read_commands, webhook, transport, seconds)
                    await endpoint.run(route)
                    if reader := self._readers.get(webhook.id):
                        await reader.close()
                    nursery.cancel_scope.cancel()
            except* Exception as group:
                # A bug in one endpoint stops only that endpoint; its deliveries stay in the store and continue after a
                # restart.
                log.error("an endpoint failed in an unexpected way", webhook=webhook.id, exc_info=group)

    async def _read_commands(self, sink: Webhook, transport: CommandTransport, seconds: float) -> None:
        if self.on_commands is None:
            return
        reader = CommandReader(sink, transport, self.on_commands, self._notes, seconds=seconds)
        self._readers[sink.id] = reader
        try:
            await reader.run()
        finally:
            if self._readers.get(sink.id) is reader:
                del self._readers[sink.id]

    async def _wake_on_events(self) -> None:
        while True:
            if not self._endpoints:  # then receiving wakes no task for nothing
                self._delivers = trio.Event()
                await self._delivers.wait()
            version = self._signals.events.version
            sessions = self._signals.take_stored()
            for endpoint in self.endpoints:
                if sessions is None or endpoint.webhook.session is None or endpoint.webhook.session in sessions:
                    endpoint.wake()
            await self._signals.events.newer_than(version)


def _duty(webhook: str) -> str:
    return f"webhook:{webhook}"
