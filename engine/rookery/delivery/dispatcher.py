"""Runs one `Endpoint` per enabled webhook and follows their changes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import trio

from ..errors import StoreError
from ..log import get_logger
from ..model import Webhook
from ..settings import EngineSettings
from ..signals import Signals
from ..store import DeliveryStore
from ..telemetry import Telemetry
from .endpoint import Endpoint

STORE_RETRY_DELAY = 1.0  # seconds

log = get_logger("DELIVERY")


class Dispatcher:
    """All webhooks of one engine, which owns its task."""

    def __init__(
        self,
        store: DeliveryStore,
        settings: EngineSettings,
        signals: Signals,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._settings = settings
        self._signals = signals
        self._telemetry = telemetry
        self._clock = clock
        self._endpoints: dict[str, tuple[Endpoint, trio.CancelScope]] = {}

    @property
    def endpoints(self) -> list[Endpoint]:
        """Those that run now."""
        return [endpoint for endpoint, _ in self._endpoints.values()]

    async def run(self) -> None:
        """Until cancelled."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=256, keepalive_expiry=60)
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=None, limits=limits) as client,  # noqa: S113
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._wake_on_events)
            while True:
                version = self._signals.webhooks.version
                try:
                    webhooks = [webhook for webhook in await self._store.list_webhooks() if webhook.enabled]
                except StoreError as error:
                    log.warning("webhooks cannot be read", error=str(error))
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                self._follow(nursery, client, {webhook.id: webhook for webhook in webhooks})
                await self._signals.webhooks.newer_than(version)

    async def close(self) -> None:
        """Begin no further delivery; returns when none is under way. The caller sets the deadline."""
        async with trio.open_nursery() as nursery:
            for endpoint in self.endpoints:
                nursery.start_soon(endpoint.close)

    def _follow(self, nursery: trio.Nursery, client: httpx.AsyncClient, wanted: dict[str, Webhook]) -> None:
        for id, (endpoint, scope) in list(self._endpoints.items()):
            if wanted.get(id) != endpoint.webhook:
                scope.cancel()
                del self._endpoints[id]
        for id, webhook in wanted.items():
            if id in self._endpoints:
                self._endpoints[id][0].wake()
            else:
                endpoint = Endpoint(webhook, client, self._store, self._settings, self._telemetry, self._clock)
                scope = trio.CancelScope()
                self._endpoints[id] = (endpoint, scope)
                nursery.start_soon(self._run, endpoint, scope)

    async def _run(self, endpoint: Endpoint, scope: trio.CancelScope) -> None:
        with scope:
            try:
                await endpoint.run()
            except* Exception as group:
                # One endpoint's bug stops that endpoint only; its deliveries stay rows and go on after a restart.
                log.error("an endpoint failed in an unexpected way", webhook=endpoint.webhook.id, exc_info=group)

    async def _wake_on_events(self) -> None:
        while True:
            version = self._signals.events.version
            for endpoint in self.endpoints:
                endpoint.wake()
            await self._signals.events.newer_than(version)
