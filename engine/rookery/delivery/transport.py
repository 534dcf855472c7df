"""What the delivery engine asks of a transport: one way to carry events to endpoints (HTTP, a broker).

The engine reads deliveries, keeps the order within a lane, retries and counts. A transport only carries one delivery and
says what became of it.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from ..model.webhook import Delivery, Webhook


class Attempt(msgspec.Struct, frozen=True):
    """What became of one attempt to deliver.

    `delivered`: the endpoint confirmed the event; otherwise `error` says why not. `gone`: the endpoint wants no more events.
    `retry_after`: seconds that the endpoint asked to be left alone. `status`: that of HTTP, None without an answer. `answer`:
    the bytes that the endpoint answered with, cut to what the transport keeps.
    """

    delivered: bool
    error: str | None = None
    gone: bool = False
    retry_after: float | None = None
    status: int | None = None
    answer: bytes = b""


class Route(Protocol):
    """The way to one endpoint. Several lanes use it at once."""

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """Carry one event; `now` is the wall clock. Bounds its own time and never raises for what the endpoint does."""


class Transport(Protocol):
    """Everything that routes of one kind share: pools of connections, TLS. The dispatcher owns it."""

    def open_route(self, webhook: Webhook, *, seconds: float) -> AbstractAsyncContextManager[Route]:
        """A route for as long as the block runs, in the endpoint's own task. `seconds` bound each delivery.

        Opening does not wait for the endpoint: whoever cannot be reached fails its deliveries, not the block.
        """
