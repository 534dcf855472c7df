"""Publishes events to Redis Streams (coredis, which runs under Trio). Delivered means that XADD has returned the
entry's id.

An entry has the fields `id` (the event's id), `type` and `data` (the webhook's body).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import coredis
import trio
from anyio.abc import ByteStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis import PureToken
from coredis.connection import TCPConnection, TCPLocation
from coredis.pool import ConnectionPool
from coredis.retry import NoRetryPolicy

from ...model.webhook import Delivery, Webhook
from ...runtime.names import names
from ..post import delivery_id, request_body
from ..transports.transport import Attempt
from .commands import FETCH_SECONDS, CommandSource
from .target import BrokerAddress, parse_address, resolve
from .words import words_of

CONNECTIONS = 16


Client = coredis.Redis[bytes]


class _Connection(TCPConnection):
    """Looks up names where the engine does, and leaves nothing open when it cannot connect."""

    async def _connect(self) -> ByteStream:
        try:
            with anyio.fail_after(self._connect_timeout):
                addresses = await names().addresses(self.location.host)
                with names().trying(self.location.host):
                    return await self._open(addresses)
        except BaseException:
            for part in vars(self).values():  # the library closes its buffers only after it has connected
                if isinstance(part, MemoryObjectReceiveStream | MemoryObjectSendStream):
                    part.close()
            raise

    async def _open(self, addresses: list[str]) -> ByteStream:
        error = OSError("the name has no address")
        for address in addresses:
            try:
                if self._ssl_context is None:
                    return await anyio.connect_tcp(address, self.location.port)
                return await anyio.connect_tcp(
                    address,
                    self.location.port,
                    ssl_context=self._ssl_context,
                    tls_hostname=self.location.host,
                    tls_standard_compatible=False,
                )
            except OSError as failed:
                error = failed
        raise error


class RedisRoute:
    """Implements `Route`. Its client's pool opens and replaces connections as needed, but never drops one that has gone
    silent, nor frees the place of one that did not get ready in time: after a timeout the whole client is replaced."""

    def __init__(
        self,
        make: Callable[[], AbstractAsyncContextManager[Client]],
        address: BrokerAddress,
        target: str,
        seconds: float,
    ) -> None:
        self._make = make
        self._client: Client | None = None
        self._opened = trio.Event()
        self._silent = trio.Event()
        self._under_way: set[trio.CancelScope] = set()
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

    async def keep_open(self) -> None:
        """Keep a client open, a new one after each timeout, until cancelled."""
        while True:
            self._silent = trio.Event()
            async with self._make() as self._client:
                self._opened.set()
                try:
                    await self._silent.wait()
                finally:
                    self._client, self._opened = None, trio.Event()
                    for scope in self._under_way:  # before the pool ends, which must not be asked afterwards
                        scope.cancel()

    async def deliver(self, delivery: Delivery, *, now: float) -> Attempt:
        """See `Route.deliver`."""
        fields: dict[str | bytes, str | bytes | int | float] = {
            "id": delivery_id(delivery),
            "type": delivery.event.type,
            "data": request_body(delivery),
        }
        key = resolve(self._target, delivery.event)
        client: Client | None = None
        with trio.move_on_after(self._seconds) as scope:
            while (client := self._client) is None:
                await self._opened.wait()
            self._under_way.add(scope)
            try:
                entry = await client.xadd(
                    key, fields, nomkstream=None if self._address.may_create else True, **self._trim
                )
            except Exception as error:  # any error that a broker makes a library raise is one failed delivery
                return Attempt(False, words_of(error, self._address))
            finally:
                self._under_way.discard(scope)
            if entry is None:
                return Attempt(False, f"there is no stream {key}, and the sink may not create it")
            return Attempt(True)
        if client is not None and client is self._client:
            self._silent.set()
        return Attempt(False, f"the broker did not confirm it within {self._seconds:g} s")


class RedisTransport:
    """Implements `Transport`."""

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        self._tls = tls

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[RedisRoute]:
        """See `Transport.open_route`."""
        address = parse_address(webhook.url)
        route = RedisRoute(lambda: self._client(address, seconds), address, webhook.target or "", seconds)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(route.keep_open)
            yield route
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def open_commands(self, sink: Webhook, *, seconds: float) -> AsyncIterator[CommandSource]:
        """See `CommandTransport.open_commands`."""
        from .redis_commands import RedisCommands

        address = parse_address(sink.url)
        async with self._client(address, seconds + FETCH_SECONDS) as client:
            source = RedisCommands(client, address, sink)
            with trio.fail_after(seconds):
                await source.open()
            yield source

    def _client(self, address: BrokerAddress, seconds: float) -> Client:
        pool: ConnectionPool[_Connection] = ConnectionPool(
            connection_class=_Connection,
            location=TCPLocation(address.host, address.port),
            db=int(address.path or 0),
            username=address.user or None,
            password=address.password,
            ssl_context=self._tls() if address.encrypted else None,
            max_connections=CONNECTIONS,
            connect_timeout=seconds,
            stream_timeout=seconds,
            client_name="rookery",
        )
        # No repetition: the lane repeats an entry that may have been added, with the same id.
        client: Client = coredis.Redis(connection_pool=pool, verify_version=False, retry_policy=NoRetryPolicy())
        return client


@asynccontextmanager
async def open_redis_transport(tls: Callable[[], ssl.SSLContext]) -> AsyncIterator[RedisTransport]:
    """Opens the transport. `tls` makes the context for encrypted connections."""
    yield RedisTransport(tls)
