"""Endpoints of webhooks that answer, hang, fail and take things twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import outcome
import trio

from rookery.delivery.transports.transport import Attempt
from rookery.model import Delivery, Webhook

from ..world import PROCESS, Crashed, Reply, World, ask


class Endpoint:
    """Where one webhook leads to."""

    def __init__(self, world: World, webhook: str) -> None:
        self._world = world
        self.webhook = webhook
        self.mode = "up"  # up, fail, hang, slow, lossy
        self.taken: Counter[int] = Counter()  # acknowledged, by event
        self.last: dict[str, int] = {}  # the newest that was acknowledged, by lane
        self.refused: Counter[int] = Counter()

    def receive(self, delivery: Delivery) -> Attempt | None:
        """A request arrived; None when it is never answered."""
        chance, event = self._world.chance, delivery.event.id
        mode = self.mode
        if mode == "fail" or (mode == "lossy" and chance.random() < 0.3):
            self.refused[event] += 1
            return Attempt(False, "answered 503", status=503)
        if mode == "hang":
            return None
        if not self.taken[event] and event < self.last.get(delivery.lane, 0):
            self._world.violate(
                f"event {event} of {delivery.lane} came to {self.webhook} after {self.last[delivery.lane]}"
            )
        self.taken[event] += 1
        self.last[delivery.lane] = max(event, self.last.get(delivery.lane, 0))
        if mode == "lossy" and chance.random() < 0.3:
            return None
        return Attempt(True, status=200)


class Endpoints:
    """All of them; the transport of every engine."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.by_webhook: dict[str, Endpoint] = {}

    def of(self, webhook: str) -> Endpoint:
        if webhook not in self.by_webhook:
            self.by_webhook[webhook] = Endpoint(self._world, webhook)
        return self.by_webhook[webhook]

    @asynccontextmanager
    async def open_transport(self, *_: object) -> AsyncIterator[Endpoints]:
        """Stands for `rookery.delivery.transports.opening.open_transport`."""
        yield self

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[_Route]:
        yield _Route(self._world, self.of(webhook.id), seconds)


class _Route:
    def __init__(self, world: World, endpoint: Endpoint, seconds: float) -> None:
        self._world = world
        self._endpoint = endpoint
        self._seconds = seconds

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        await trio.lowlevel.checkpoint_if_cancelled()
        world, process = self._world, PROCESS.get()
        if world.over:
            raise Crashed
        assert process is not None
        way = (0.01 + 0.05 * world.chance.random()) * process.machine.lag
        slow = self._endpoint.mode == "slow"
        with trio.move_on_after(self._seconds):

            def start(reply: Reply) -> None:
                def arrive() -> None:
                    answer = self._endpoint.receive(delivery)
                    if answer is not None:
                        world.after(way + (8.0 * way / 0.06 if slow else 0.0), reply, outcome.Value(answer))

                world.after(way, arrive)

            answer: Attempt = await ask(start)
            return answer
        return Attempt(False, f"no answer within {self._seconds:g} s")
