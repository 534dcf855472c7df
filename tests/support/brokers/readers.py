"""Everything that a broker holds for a sink, read with the broker's own client library, in the order of its arrival."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aio_pika
import coredis
import nats
import nats.js.errors
import trio

from support.brokers.servers import Broker

EXCHANGE = QUEUE = "rookery"


@dataclass(frozen=True)
class Arrived:
    """`id` is the message id, `place` the subject, routing key or stream, `body` the document."""

    id: str
    place: str
    body: dict[str, Any]


async def in_asyncio(work: Callable[[], Awaitable[Any]]) -> Any:
    """The result of a coroutine for asyncio."""

    async def main() -> Any:
        return await work()

    return await trio.to_thread.run_sync(lambda: asyncio.run(main()))


async def prepare(broker: Broker) -> None:
    """What a consumer of AMQP does before anything is published: a queue that takes everything."""
    if broker.kind == "amqp":
        await in_asyncio(lambda: _declare(broker.url))


async def read_all(broker: Broker) -> list[Arrived]:
    """What arrived since the last call (AMQP) or since the beginning (the others)."""
    if broker.kind == "redis":
        return await _read_redis(broker.port)
    reader = _read_nats if broker.kind == "nats" else _read_amqp
    found: list[Arrived] = await in_asyncio(lambda: reader(broker.url))
    return found


async def _declare(url: str, **arguments: Any) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments=arguments or None)
        await queue.bind(exchange, "#")


async def _read_amqp(url: str) -> list[Arrived]:
    arrived = []
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(1000)
        queue = await channel.get_queue(QUEUE)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            assert message.message_id is not None
            arrived.append(Arrived(message.message_id, message.routing_key or "", json.loads(message.body)))
    return arrived


async def _read_nats(url: str) -> list[Arrived]:
    client = await nats.connect(url)
    arrived: list[Arrived] = []
    try:
        stream = client.jetstream()
        try:
            info = await stream.stream_info("rookery")
        except nats.js.errors.NotFoundError:
            return arrived
        reader = await stream.pull_subscribe("rookery.>", stream="rookery")
        while len(arrived) < info.state.messages:
            for message in await reader.fetch(min(1000, info.state.messages - len(arrived)), timeout=10):
                arrived.append(
                    Arrived(message.headers["Nats-Msg-Id"], message.subject, json.loads(message.data))  # type: ignore[index]
                )
                await message.ack()
    finally:
        await client.close()
    return arrived


async def _read_redis(port: int) -> list[Arrived]:
    entries = []
    async with coredis.Redis[bytes]("127.0.0.1", port, verify_version=False) as client:
        for key in [key async for key in client.scan_iter(match="rookery*")]:
            for entry in await client.xrange(key):
                number = tuple(map(int, entry.identifier.split(b"-")))  # type: ignore[arg-type]
                fields = entry.field_values
                entries.append((number, Arrived(fields[b"id"].decode(), key.decode(), json.loads(fields[b"data"]))))  # type: ignore[union-attr]
    return [arrived for _, arrived in sorted(entries, key=lambda each: each[0])]
