"""Programs that leave commands for Rookery with a broker, and look at the refused ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

import aio_pika
import coredis
import nats
import nats.js.errors
from nats.js.api import StreamConfig

from support.brokers.readers import in_asyncio
from support.brokers.servers import SECRET, USER, Broker

NAME = "commands"
DEAD = "commands.dead"
Given = tuple[str | None, bytes]
"""The id that the sender gives, and the body."""


def command(id: str | None = None, **fields: Any) -> Given:
    return id, json.dumps(fields).encode()


async def put(broker: Broker, commands: Sequence[Given], *, name: str = NAME) -> None:
    """Leave commands with the broker, in order; returns when it has them."""
    if broker.kind == "redis":
        secret = None if broker.context is None else SECRET
        async with coredis.Redis[bytes](
            "127.0.0.1", broker.port, password=secret, ssl_context=broker.context, verify_version=False
        ) as client:
            for _, body in commands:
                await client.xadd(name, {"data": body})
    else:
        work = _put_nats if broker.kind == "nats" else _put_amqp
        await in_asyncio(lambda: work(broker, commands, name))


async def refused(broker: Broker) -> list[tuple[bytes, str]]:
    """Body and reason of the commands refused so far; AMQP delivers each only once."""
    if broker.kind == "redis":
        async with coredis.Redis[bytes]("127.0.0.1", broker.port, verify_version=False) as client:
            entries = await client.xrange(DEAD)
            fields: list[dict[Any, Any]] = [dict(entry.field_values or {}) for entry in entries]
            return [(one[b"data"], one[b"error"].decode()) for one in fields]
    reader = _refused_nats if broker.kind == "nats" else _refused_amqp
    found: list[tuple[bytes, str]] = await in_asyncio(lambda: reader(broker.url))
    return found


async def _put_nats(broker: Broker, commands: Sequence[Given], name: str) -> None:
    login = {} if broker.context is None else {"tls": broker.context, "user": USER, "password": SECRET}
    client = await nats.connect(f"nats://127.0.0.1:{broker.port}", **login)
    try:
        stream = client.jetstream()
        try:
            await stream.find_stream_name_by_subject(name)
        except nats.js.errors.NotFoundError:
            await stream.add_stream(StreamConfig(name=name, subjects=[name, name + ".dead"]))
        for id, body in commands:
            await _publish(stream, name, body, {"Nats-Msg-Id": id} if id else None)
    finally:
        await client.close()


async def _publish(stream: Any, name: str, body: bytes, headers: dict[str, str] | None) -> None:
    """A stream that somebody else is just making is known before it listens to its subjects."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(nats.js.errors.NoStreamResponseError):
                await stream.publish(name, body, headers=headers)
                return
            await asyncio.sleep(0.01)


async def _put_amqp(broker: Broker, commands: Sequence[Given], name: str) -> None:
    async with await aio_pika.connect(broker.url, ssl_context=broker.context) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(name, durable=True)
        for id, body in commands:
            message = aio_pika.Message(body, message_id=id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, name)


async def _refused_nats(url: str) -> list[tuple[bytes, str]]:
    client = await nats.connect(url)
    found: list[tuple[bytes, str]] = []
    try:
        reader = await client.jetstream().pull_subscribe(DEAD, stream=NAME)
        info = await reader.consumer_info()
        for message in await reader.fetch(info.num_pending, timeout=5) if info.num_pending else ():
            found.append((message.data, (message.headers or {})["Rookery-Error"]))
        return found
    finally:
        await client.close()


async def _refused_amqp(url: str) -> list[tuple[bytes, str]]:
    found: list[tuple[bytes, str]] = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(DEAD, durable=True)
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append((message.body, str(message.headers["rookery-error"])))
    return found
