"""Publishes events to Redis Streams (coredis, which runs under Trio). Delivered means that XADD has returned the
entry's id.

An entry has the fields `id` (the event's id), `type` and `data` (the webhook's body).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import coredis
import trio
from coredis import PureToken
from coredis.retry import NoRetryPolicy

from ...errors import printable
from ...model.webhook import Delivery, Webhook
from ..post import delivery_id, request_body
from ..transport import Attempt
from .target import BrokerAddress, parse_address, resolve

CONNECTIONS = 16


class RedisRoute:
    """Implements `Route`. Its connection pool opens and replaces connections as needed."""

    def __init__(self, client: coredis.Redis[bytes], address: BrokerAddress, target: str, seconds: float) -> None:
        self._client = client
        self._address = address
        self._target = target
        self._seconds = seconds
        maxlen = address.options.get("maxlen")
        self._trim: dict[str, Any] = (
            {}
            if maxlen is None
            else {
                "trim_strategy": PureToken.MAXLEN,
                "trim_operator": PureToken.APPROXIMATELY,
                "threshold": int(maxlen),
            }
        )

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """See `Route.deliver`."""
        fields: dict[str | bytes, str | bytes | int | float] = {
            "id": delivery_id(delivery),
            "type": delivery.event.type,
            "data": request_body(delivery),
        }
        key = resolve(self._target, delivery.event)
        with trio.move_on_after(self._seconds):
            try:
                entry = await self._client.xadd(
                    key, fields, nomkstream=None if self._address.may_create else True, **self._trim
                )
            except Exception as error:  # any error that a broker makes a library raise is one failed delivery
                return Attempt(False, self._words(error))
            if entry is None:
                return Attempt(False, f"there is no stream {key}, and the sink may not create it")
            return Attempt(True)
        return Attempt(False, f"the broker did not confirm it within {self._seconds:g} s")

    def _words(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        if self._address.password:
            text = text.replace(self._address.password, "***")
        return printable(text)[:500]


class RedisTransport:
    """Implements `Transport`."""

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[RedisRoute]:
        """See `Transport.open_route`."""
        address = parse_address(webhook.url)
        client: coredis.Redis[bytes] = coredis.Redis(
            address.host,
            address.port,
            int(address.path or 0),
            username=address.user or None,
            password=address.password,
            ssl_context=self._tls() if address.encrypted else None,
            max_connections=CONNECTIONS,
            connect_timeout=seconds,
            stream_timeout=seconds,
            client_name="rookery",
            verify_version=False,
            retry_policy=NoRetryPolicy(),  # the lane repeats an entry that may have been added, with the same id
        )
        async with client:
            yield RedisRoute(client, address, webhook.target or "", seconds)


@asynccontextmanager
async def open_redis_transport(tls: Callable[[], ssl.SSLContext]) -> AsyncIterator[RedisTransport]:
    """Opens the transport. `tls` makes the context for encrypted connections."""
    yield RedisTransport(tls)
