"""Reads commands from a queue of an AMQP 0-9-1 broker. Unacknowledged commands come again after a crash of either side.

AMQP numbers no messages: a command is recognised by its `message_id` or its own `idempotency_key`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aio_pika.exceptions
import msgspec
from aio_pika import DeliveryMode, Message

from ...model.webhook import Webhook
from ...runtime.asyncio_thread import AsyncioThread
from .asyncio_commands import AsyncioCommands
from .commands import DEAD, Command, CommandOutcome

IN_FLIGHT = 1000
"""How many commands the broker gives out without an acknowledgement."""


_encode = msgspec.json.Encoder().encode


class AmqpCommands(AsyncioCommands):
    """Implements `CommandSource`."""

    def __init__(
        self, thread: AsyncioThread, connect: Callable[[], Awaitable[Any]], sink: Webhook, *, may_create: bool
    ) -> None:
        """`connect` returns a connection of aio-pika."""
        super().__init__(thread, connect, may_create=may_create)
        self._name = sink.commands or ""
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._channel: Any = None
        self._answers: Any = None

    async def keep(self, held: Sequence[Command]) -> None:
        """See `CommandSource.keep`. The broker gives nothing out again while the channel is open."""

    async def _close(self) -> None:
        await self._connection.close()

    async def _open(self) -> None:
        self._connection = await self._connect()
        queue = await self._queue(self._name)
        if self._may_create:
            await self._queue(self._name + DEAD)
        self._channel = await self._connection.channel(publisher_confirms=False)
        await self._channel.set_qos(IN_FLIGHT)
        self._answers = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await self._channel.get_queue(queue.name, ensure=False)
        await queue.consume(self._arrived.put)

    async def _queue(self, name: str) -> Any:
        """The queue of this name, made if it is missing and may be made. A failed look closes its channel."""
        channel = await self._connection.channel()
        try:
            queue = await channel.get_queue(name, ensure=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            if not self._may_create:
                raise RuntimeError(f"the broker has no queue {name}") from None
            channel = await self._connection.channel()
            queue = await channel.declare_queue(name, durable=True)
        await channel.close()
        return queue

    async def _fetch(self, limit: int, seconds: float) -> Sequence[Command]:
        try:
            async with asyncio.timeout(seconds):
                found = [await self._arrived.get()]
        except TimeoutError:
            if self._connection.is_closed or self._channel.is_closed:
                raise ConnectionResetError("the connection to the broker was lost") from None
            await self._queue(self._name)  # a queue that was deleted says nothing to its consumers
            return []
        while len(found) < limit and not self._arrived.empty():
            found.append(self._arrived.get_nowait())
        return [Command(message.message_id or None, message.body, message) for message in found]

    async def _settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None:
        for command, outcome in settled:
            await self._answer(command, outcome)
            if outcome.error is None or await self._bury(command, outcome.error):
                await command.handle.ack()
            else:
                await command.handle.reject(requeue=False)  # to the queue's own dead letter exchange, if it has one

    async def _answer(self, command: Command, outcome: CommandOutcome) -> None:
        """Answer a command that says where its answer goes."""
        asked = command.handle
        if not asked.reply_to:
            return
        body = outcome.answer if outcome.answer is not None else _encode({"error": outcome.error})
        answer = Message(body, correlation_id=asked.correlation_id, content_type="application/json", app_id="rookery")
        with contextlib.suppress(aio_pika.exceptions.DeliveryError):  # the caller has gone
            await self._answers.default_exchange.publish(answer, asked.reply_to, mandatory=False)

    async def _bury(self, command: Command, error: str) -> bool:
        """Put a refused command into the queue for such. False: there is none."""
        dead = Message(
            command.body,
            message_id=command.id,
            headers={"rookery-error": error},
            delivery_mode=DeliveryMode.PERSISTENT,
            app_id="rookery",
        )
        try:
            await self._answers.default_exchange.publish(dead, self._name + DEAD, mandatory=True)
        except aio_pika.exceptions.DeliveryError:
            return False
        return True
