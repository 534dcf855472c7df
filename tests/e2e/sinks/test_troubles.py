"""Brokers that refuse, are full, or lack what a sink needs: the backlog stays stored, the reason is shown, no secret is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import coredis
import pytest
import trio

from rookery import Engine, EngineSettings, open_engine
from rookery.delivery.transports.opening import open_transport
from rookery.model.event import NewEvent
from rookery.model.webhook import Delivery
from support.brokers.readers import EXCHANGE, QUEUE, in_asyncio, prepare, read_all
from support.brokers.servers import KINDS, Broker, open_broker
from support.fake_platform import FakePlatform

QUICK = EngineSettings(webhook_backoff=0.05, webhook_backoff_max=0.1, webhook_attempts=2, webhook_timeout=5.0)


@asynccontextmanager
async def engine_with(settings: EngineSettings = QUICK) -> AsyncIterator[tuple[Engine, Any]]:
    """An engine in memory with one connected session; the function stores texts of chats."""
    platform = FakePlatform()
    async with open_engine(store="memory:", providers=[platform], settings=settings) as engine:
        await engine.create_session(id="shop", platform=platform.platform, credentials={"token": "t"})
        with trio.fail_after(20):
            await engine.wait_status("shop", "CONNECTED")  # type: ignore[arg-type]
        link = platform.link("shop")
        count = 0

        async def say(chat: str = "1", type: str = "message") -> None:
            nonlocal count
            count += 1
            event = NewEvent(str(count), type, 1_700_000_000.0, chat, "9", b'{"text": "hi"}', b"{}")
            await link.inbox.commit([event], None)

        yield engine, say


async def facts_of(engine: Engine, sink: str, **expected: int) -> Any:
    with trio.fail_after(60):
        while True:
            facts = (await engine.webhook_facts())[sink]
            if all(getattr(facts, name) == value for name, value in expected.items()):
                return facts
            await trio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_that_is_away_and_comes_back(kind: str, tmp_path: Path) -> None:
    async with open_broker(kind, tmp_path) as broker:
        await prepare(broker)
        await broker.kill()
        async with engine_with() as (engine, say):
            sink = await engine.create_sink(url=broker.url)
            attempt, _ = await engine.test_sink(sink.id)
            assert not attempt.delivered
            await say()
            facts = await facts_of(engine, sink.id, pending=0, dead=1)
            assert facts.last_error
            await broker.start()
            assert (await engine.test_sink(sink.id))[0].delivered
            assert await engine.replay_sink(sink.id) == 1
            await facts_of(engine, sink.id, pending=0, dead=0)
        arrived = [one for one in await read_all(broker) if one.body["type"] == "message"]
        assert [one.body["data"]["body"] for one in arrived] == [{"text": "hi"}]


async def test_a_full_queue_holds_events_back_as_rows(tmp_path: Path) -> None:
    settings = EngineSettings(webhook_backoff=0.1, webhook_backoff_max=0.2, webhook_attempts=1000)
    async with open_broker("amqp", tmp_path) as broker:

        async def declare() -> None:
            connection = await aio_pika.connect(broker.url)
            async with connection:
                channel = await connection.channel()
                exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
                limits = {"x-max-length": 3, "x-overflow": "reject-publish"}
                queue = await channel.declare_queue(QUEUE, durable=True, arguments=limits)  # type: ignore[arg-type]
                await queue.bind(exchange, "#")

        await in_asyncio(declare)
        async with engine_with(settings) as (engine, say):
            sink = await engine.create_sink(url=broker.url, events=["message"])
            for _ in range(10):
                await say()
            facts = await facts_of(engine, sink.id, pending=7)
            with trio.fail_after(30):
                while (facts := (await engine.webhook_facts())[sink.id]).last_error is None:
                    await trio.sleep(0.02)
            assert facts.dead == 0
            arrived = []  # type: ignore[var-annotated]
            with trio.fail_after(60):
                while len(arrived) < 10:
                    arrived += await read_all(broker)
            await facts_of(engine, sink.id, pending=0, dead=0)
        ids = [one.body["data"]["id"] for one in arrived]
        assert ids == sorted(set(ids))


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("nats", "?create=false", "no stream matches the subject rookery.shop.message"),
        ("amqp", "?create=false&exchange=nowhere", "the broker has no exchange nowhere"),
        ("amqp", "?mandatory=true", "NO_ROUTE"),
        ("redis", "?create=false", "there is no stream rookery.shop.message"),
    ],
)
async def test_what_is_missing_is_named(kind: str, options: str, reason: str, tmp_path: Path) -> None:
    async with open_broker(kind, tmp_path) as broker, engine_with() as (engine, say):
        sink = await engine.create_sink(url=f"{broker.url}/{options}" if kind != "nats" else broker.url + options)
        await say()
        facts = await facts_of(engine, sink.id, dead=1)
        assert reason in facts.last_error


async def test_a_wrong_password_is_said_without_it(tmp_path: Path) -> None:
    async with open_broker("amqp", tmp_path) as broker, engine_with() as (engine, _):
        url = f"amqp://guest:hunter2hunter2@127.0.0.1:{broker.port}"
        sink = await engine.create_sink(url=url)
        attempt, _ = await engine.test_sink(sink.id)
        assert not attempt.delivered
        assert "ACCESS_REFUSED" in (attempt.error or "")
        assert "hunter2" not in (attempt.error or "") + repr(sink)


async def test_a_password_opens_redis(tmp_path: Path) -> None:
    async with open_broker("redis", tmp_path) as broker:
        await _set_password(broker, "sesame with spaces")
        async with engine_with() as (engine, say):
            sink = await engine.create_sink(
                url=f"redis://:sesame%20with%20spaces@127.0.0.1:{broker.port}/2?maxlen=1000", target="log:{session}"
            )
            await say()
            await say(chat="2")
            await facts_of(engine, sink.id, pending=0, delivered=2)
            attempt, _ = await engine.test_sink(
                (await engine.create_sink(url=f"redis://:wrong@127.0.0.1:{broker.port}")).id
            )
            assert not attempt.delivered
        async with coredis.Redis[bytes](
            "127.0.0.1", broker.port, 2, password="sesame with spaces", verify_version=False
        ) as client:
            assert await client.xlen("log:shop") == 2


async def test_two_installations_share_a_stream(tmp_path: Path) -> None:
    """Both count their events from 1, and the stream drops what has an id that it knows."""
    async with (
        open_broker("nats", tmp_path) as broker,
        engine_with() as (one, say_one),
        engine_with() as (two, say_two),
    ):
        for engine in (one, two):
            await engine.create_sink(id="sk", url=broker.url, events=["message"])
        for number in range(3):
            await say_one(chat=f"a{number}")
            await say_two(chat=f"b{number}")
        for engine in (one, two):
            await facts_of(engine, "sk", delivered=3, pending=0)
        arrived = await read_all(broker)
        assert sorted(each.body["data"]["chat"] for each in arrived) == ["a0", "a1", "a2", "b0", "b1", "b2"]
        # An event that comes again, as after a crash, is still dropped.
        assert len({each.id for each in arrived}) == 6
        [event] = [each for each in await two.read_events() if each.chat == "b2"]
        async with open_transport("nats", QUICK, two.installation) as transport:
            sink = await two.get_sink("sk")
            async with transport.open_route(sink, seconds=10) as route:
                assert (await route.deliver(Delivery("sk", event, "lane"), now=1.0)).delivered
        assert len(await read_all(broker)) == 6


async def test_two_sinks_share_a_stream(tmp_path: Path) -> None:
    """They publish the same event under different subjects, and the stream drops what has an id that it knows."""
    async with open_broker("nats", tmp_path) as broker, engine_with() as (engine, say):
        await engine.create_sink(id="one", url=broker.url, events=["message"])
        await say()
        await facts_of(engine, "one", delivered=1)  # it has made the stream
        await engine.create_sink(id="two", url=broker.url, target="rookery.two.{session}", events=["message"])
        await say()
        await facts_of(engine, "one", delivered=2, pending=0)
        await facts_of(engine, "two", delivered=1, pending=0)
        places = sorted(each.place for each in await read_all(broker))
        assert places == ["rookery.shop.message", "rookery.shop.message", "rookery.two.shop"]


async def _set_password(broker: Broker, password: str) -> None:
    async with coredis.Redis[bytes]("127.0.0.1", broker.port, verify_version=False) as client:
        await client.config_set({"requirepass": password})


async def test_the_order_of_a_chat_holds_while_chats_overtake_each_other(tmp_path: Path) -> None:
    async with open_broker("nats", tmp_path) as broker, engine_with() as (engine, say):
        sink = await engine.create_sink(url=broker.url, events=["message"])
        for number in range(200):
            await say(chat=str(number % 7))
        await facts_of(engine, sink.id, pending=0, delivered=200)
        arrived = await read_all(broker)
        for chat in {one.body["data"]["chat"] for one in arrived}:
            ids = [one.body["data"]["id"] for one in arrived if one.body["data"]["chat"] == chat]
            assert ids == sorted(ids)
