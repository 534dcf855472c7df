"""Publishes events to an AMQP 0-9-1 broker such as RabbitMQ (aio-pika). Delivered means that the broker has confirmed
the event.

`message_id` is the event's id. The broker also confirms an event that no queue takes, unless the address says
`?mandatory=true`: then it fails.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aio_pika
import aio_pika.exceptions
import aiormq.exceptions
from aio_pika import DeliveryMode, ExchangeType, Message

from ...model.webhook import Delivery, Webhook
from ...runtime.asyncio_thread import AsyncioThread, open_asyncio_thread
from ..post import delivery_id, request_body
from .asyncio_route import AsyncioRoute, opened
from .commands import CommandSource
from .target import parse_address, resolve

DEFAULT_EXCHANGE = "rookery"


class AmqpRoute(AsyncioRoute):
    """One connection and one channel with confirms for one sink."""

    tls: Callable[[], ssl.SSLContext] | None = None

    async def connect(self) -> Any:
        connection = await self.open_connection()
        try:
            return connection, await self._exchange(connection)
        except BaseException:
            await connection.close()
            raise

    async def open_connection(self) -> Any:
        """In the loop: connect and log in."""
        address = self.address
        context = None
        if address.encrypted:
            context = self.tls() if self.tls is not None else ssl.create_default_context()
        return await aio_pika.connect(
            host=address.host,
            port=address.port,
            login=address.user or "guest",
            password=address.password or "guest",
            virtualhost=address.path or "/",
            ssl=address.encrypted,
            ssl_context=context,
            timeout=self.seconds,
            client_properties={"connection_name": "rookery"},
        )

    async def _exchange(self, connection: Any) -> Any:
        name = self.address.options.get("exchange", DEFAULT_EXCHANGE)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        if not name:
            return channel.default_exchange
        try:
            return await channel.get_exchange(name, ensure=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            if not self.address.may_create:
                raise RuntimeError(f"the broker has no exchange {name}") from None
        channel = await connection.channel(
            publisher_confirms=True, on_return_raises=True
        )  # the error has closed the previous channel
        return await channel.declare_exchange(name, ExchangeType.TOPIC, durable=True)

    async def publish(self, connection: Any, delivery: Delivery) -> None:
        message = Message(
            request_body(delivery),
            message_id=delivery_id(delivery),
            type=delivery.event.type,
            timestamp=datetime.fromtimestamp(int(delivery.event.time), UTC),
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            app_id="rookery",
        )
        mandatory = self.address.options.get("mandatory") == "true"
        await connection[1].publish(message, resolve(self.target, delivery.event), mandatory=mandatory)

    async def disconnect(self, connection: Any) -> None:
        await connection[0].close()

    def is_open(self, connection: Any) -> bool:
        return not connection[0].is_closed and not connection[1].channel.is_closed

    def breaks(self, error: Exception) -> bool:
        # A refused or returned message does not close the channel.
        return not isinstance(error, aiormq.exceptions.DeliveryError)


class AmqpTransport:
    """Implements `Transport`: one asyncio thread for all sinks that lead to AMQP brokers."""

    def __init__(self, thread: AsyncioThread, tls: Callable[[], ssl.SSLContext]) -> None:
        self._thread = thread
        self._tls = tls

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[AmqpRoute]:
        """See `Transport.open_route`."""
        route = AmqpRoute(self._thread, parse_address(webhook.url), webhook.target or "", seconds)
        route.tls = self._tls
        try:
            yield route
        finally:
            await route.aclose()

    @asynccontextmanager
    async def open_commands(self, sink: Webhook, *, seconds: float) -> AsyncIterator[CommandSource]:
        """See `CommandTransport.open_commands`."""
        from .amqp_commands import AmqpCommands

        route = AmqpRoute(self._thread, parse_address(sink.url), "", seconds)
        route.tls = self._tls
        async with opened(
            AmqpCommands(self._thread, route.open_connection, sink, may_create=route.address.may_create), seconds
        ) as source:
            yield source


@asynccontextmanager
async def open_amqp_transport(tls: Callable[[], ssl.SSLContext]) -> AsyncIterator[AmqpTransport]:
    """Opens the transport and closes it at the end of the block. `tls` makes the context for encrypted connections."""
    async with open_asyncio_thread("rookery-amqp") as thread:
        yield AmqpTransport(thread, tls)
