"""What the delivery engine requires of a transport: one way to carry events to endpoints (HTTP, a broker).

The engine reads deliveries, keeps the order within a lane, retries and counts. A transport only carries one delivery
and reports the result.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from ...model.webhook import Delivery, Webhook


class Attempt(msgspec.Struct, frozen=True):
    """The result of one attempt to deliver.

    `delivered`: the endpoint confirmed the event; otherwise `error` says why not. `gone`: the endpoint wants no more
    events. `retry_after`: seconds for which the endpoint asked not to be called. `status`: the HTTP status, None
    without an answer. `answer`: the bytes of the endpoint's answer, cut to what the transport keeps. `posted`: False
    when the webhook's format has nothing for this event, so the endpoint was not called.
    """

    delivered: bool
    error: str | None = None
    gone: bool = False
    retry_after: float | None = None
    status: int | None = None
    answer: bytes = b""
    posted: bool = True


class Route(Protocol):
    """A route to one endpoint. Several lanes use it at once."""

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """Carry one event; `now` is the wall clock. Bounds its own time and never raises because of the endpoint's
        behaviour."""


class Transport(Protocol):
    """What all routes of one kind share: connection pools, TLS. The dispatcher owns it."""

    def open_route(self, webhook: Webhook, *, seconds: float) -> AbstractAsyncContextManager[Route]:
        """A route for as long as the block runs, in the endpoint's own task. `seconds` bounds each delivery.

        Opening does not wait for the endpoint: if the endpoint cannot be reached, its deliveries fail, not the block.
        """
