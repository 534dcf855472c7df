"""Commands: sends left with a broker. Each becomes one message, invalid ones are set aside, and none blocks the others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import trio

from rookery import Engine, EngineSettings, open_engine
from rookery.errors import InvalidInput
from rookery.model.message import MessageQuery, OutboundMessage, Receipt
from support.brokers.commands import NAME, command, put, refused
from support.brokers.readers import in_asyncio
from support.brokers.servers import KINDS, open_broker
from support.fake_platform import FakeLink, FakePlatform

QUICK = EngineSettings(webhook_timeout=5.0, max_pending_sends=40)
SESSIONS = ("shop", "desk")


@asynccontextmanager
async def engine_with(store: str = "memory:") -> AsyncIterator[tuple[Engine, FakePlatform]]:
    """An engine with two connected sessions."""
    platform = FakePlatform()
    async with open_engine(store=store, providers=[platform], settings=QUICK) as engine:
        known = {session.id for session in await engine.list_sessions()}
        for id in SESSIONS:
            if id not in known:
                await engine.create_session(id=id, platform=platform.platform, credentials={"token": "t"})
            with trio.fail_after(20):
                await engine.wait_status(id, "CONNECTED")  # type: ignore[arg-type]
        yield engine, platform


async def counted(engine: Engine, sink: str, *, accepted: int, refused: int = 0) -> Any:
    """The facts of the sink, once it has read so many commands."""
    with trio.fail_after(60):
        while True:
            facts = (await engine.webhook_facts())[sink]
            if (facts.commands_accepted, facts.commands_refused) >= (accepted, refused):
                assert (facts.commands_accepted, facts.commands_refused) == (accepted, refused)
                return facts
            await trio.sleep(0.02)


async def keys_of(engine: Engine, session: str) -> list[str | None]:
    return [row.idempotency_key for _, row in reversed(await engine.list_messages(MessageQuery(session=session)))]


async def sent(platform: FakePlatform, count: int) -> list[str]:
    with trio.fail_after(90):
        while len(platform.sent_texts()) < count:
            await trio.sleep(0.02)
    return platform.sent_texts()


@pytest.mark.parametrize("kind", KINDS)
async def test_each_command_is_sent_once_and_bad_ones_are_put_aside(kind: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/rookery.db"
    bad = [
        (None, b"no JSON"),
        (None, b"[1]"),
        command("b1", to="7", text="for whom?"),
        command("b2", session="nobody", to="7", text="x"),
        command("b3", session="shop", text="to whom?"),
        command("b4", session="shop", to="7", text=""),
        command("b5", session="shop", to="7", text="x", ttl="soon"),
        command("b6", session="shop", to="7", type="nonsense"),
        command("b7", session="shop", to="7", text="other", idempotency_key="mine"),
    ]
    async with open_broker(kind, tmp_path) as broker:
        good = [
            command("c1", session="shop", to="7", text="one"),
            command("c2", session="shop", to="7", text="two"),
            command("c3", session="desk", to="8", text="three"),
            command("c4", session="shop", to="7", text="mine", idempotency_key="mine"),
        ]
        await put(broker, [*good[:2], *bad[:6], *good[2:], *bad[6:]])
        async with engine_with(url) as (engine, platform):
            sink = await engine.create_sink(url=broker.url, commands=NAME, events=["nothing.*"], id="k")
            facts = await counted(engine, sink.id, accepted=4, refused=len(bad))
            assert "key" in facts.command_error
            assert sorted(await sent(platform, 4)) == ["mine", "one", "three", "two"]
            assert [key for key in await keys_of(engine, "shop") if key is not None][-1] == "mine"
            if kind != "redis":
                assert (await keys_of(engine, "shop"))[:2] == ["k:c1", "k:c2"]
            # The same once more, as a program does that has lost the answer.
            again = [command(None, session="shop", to="7", text="mine", idempotency_key="mine")]
            await put(broker, again)
            await counted(engine, sink.id, accepted=5, refused=len(bad))
            aside = await refused(broker)
            assert sorted(body for body, _ in aside) == sorted(body for _, body in bad)
            assert all(reason for _, reason in aside)
        async with engine_with(url) as (engine, platform):
            await put(broker, [command("c5", session="desk", to="8", text="after the restart")])
            await counted(engine, sink.id, accepted=6, refused=len(bad))
            assert await sent(platform, 1) == ["after the restart"], "what was acknowledged does not come again"


@pytest.mark.parametrize("kind", KINDS)
async def test_reading_goes_on_after_the_broker_was_away(kind: str, tmp_path: Path) -> None:
    async with open_broker(kind, tmp_path) as broker:
        await broker.kill()
        async with engine_with() as (engine, platform):
            sink = await engine.create_sink(url=broker.url, commands=NAME)
            with trio.fail_after(30):
                while (facts := (await engine.webhook_facts())[sink.id]).command_error is None:
                    await trio.sleep(0.02)
            assert facts.commands_refused == 0
            await broker.start()
            await put(broker, [command("1", session="shop", to="7", text="first")])
            assert await sent(platform, 1) == ["first"]
            await counted(engine, sink.id, accepted=1)
            await broker.restart()
            await put(broker, [command("2", session="shop", to="7", text="second")])
            assert await sent(platform, 2) == ["first", "second"]


def hold_shop(platform: FakePlatform) -> trio.Event:
    """Sends of the session `shop` wait for the event."""
    released, take = trio.Event(), platform.on_send

    async def hold(link: FakeLink, message: OutboundMessage) -> Receipt:
        if link.session.id == "shop":
            await released.wait()
        return await take(link, message)

    platform.on_send = hold
    return released


@pytest.mark.parametrize("kind", KINDS)
async def test_a_full_session_holds_back_only_its_own_commands(kind: str, tmp_path: Path) -> None:
    async with open_broker(kind, tmp_path) as broker, engine_with() as (engine, platform):
        sink = await engine.create_sink(url=broker.url, commands=NAME)
        released = hold_shop(platform)
        many = [command(f"s{n}", session="shop", to="7", text=f"s{n}") for n in range(60)]
        await put(broker, [*many, command("d", session="desk", to="8", text="passes")])
        with trio.fail_after(30):
            while "passes" not in platform.sent_texts():
                await trio.sleep(0.02)
        facts = (await engine.webhook_facts())[sink.id]
        assert facts.commands_accepted < 61
        released.set()
        await counted(engine, sink.id, accepted=61)
        texts = [text for text in await sent(platform, 61) if text != "passes"]
        assert texts == [f"s{n}" for n in range(60)], "in order, each once"


@pytest.mark.parametrize("kind", ["amqp", "redis"])  # JetStream gives out newer ones first
@pytest.mark.parametrize("restarts", [False, True], ids=["sink", "broker"])
async def test_held_commands_come_again_before_newer_ones(kind: str, restarts: bool, tmp_path: Path) -> None:
    """The sink is opened anew, by its operator or because the broker went away, while commands wait for their session."""
    async with open_broker(kind, tmp_path) as broker, engine_with() as (engine, platform):
        sink = await engine.create_sink(url=broker.url, commands=NAME)
        released = hold_shop(platform)
        many = [command(f"s{n}", session="shop", to="7", text=f"s{n}") for n in range(60)]
        await put(broker, [*many[:50], command("d", session="desk", to="8", text="passes")])
        await sent(platform, 1)
        if restarts:
            await broker.restart()
        else:
            await engine.update_sink(sink.id, enabled=False)
            await engine.update_sink(sink.id, enabled=True)
        await put(broker, many[50:])
        released.set()
        texts = [text for text in await sent(platform, 61) if text != "passes"]
        assert texts == [f"s{n}" for n in range(60)]


async def test_a_command_of_amqp_is_answered(tmp_path: Path) -> None:
    async with open_broker("amqp", tmp_path) as broker, engine_with() as (engine, _):
        await engine.create_sink(url=broker.url, commands=NAME, session="shop")

        async def ask() -> list[Any]:
            answers: asyncio.Queue[Any] = asyncio.Queue()
            async with await aio_pika.connect(broker.url) as connection:
                channel = await connection.channel()
                mine = await channel.declare_queue(exclusive=True)
                await mine.consume(answers.put, no_ack=True)
                await channel.declare_queue(NAME, durable=True)
                for body in (b'{"to": "7", "text": "hi"}', b'{"to": "7", "session": "desk", "text": "hi"}'):
                    question = aio_pika.Message(body, reply_to=mine.name, correlation_id=str(len(body)))
                    await channel.default_exchange.publish(question, NAME)
                async with asyncio.timeout(30):
                    return [await answers.get(), await answers.get()]

        good, bad = await in_asyncio(ask)
        assert json.loads(good.body)["session"] == "shop"
        assert json.loads(good.body)["state"] in ("queued", "sending", "sent")
        assert good.correlation_id == "25"
        assert "this sink sends for 'shop' only" in json.loads(bad.body)["error"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_missing_queue_is_named_where_none_may_be_made(kind: str, tmp_path: Path) -> None:
    async with open_broker(kind, tmp_path) as broker, engine_with() as (engine, _):
        sink = await engine.create_sink(
            url=f"{broker.url}/{'0' if kind == 'redis' else ''}?create=false", commands=NAME
        )
        with trio.fail_after(30):
            while (facts := (await engine.webhook_facts())[sink.id]).command_error is None:
                await trio.sleep(0.02)
        assert NAME in facts.command_error


@pytest.mark.parametrize(
    ("url", "target", "commands"),
    [
        ("nats://127.0.0.1:9", "rookery.{session}.{type}", "rookery.commands"),
        ("nats://127.0.0.1:9", "{session}.{type}", "commands"),
        ("nats://127.0.0.1:9", "events", "events"),
        ("nats://127.0.0.1:9", "events", "a.*"),
        ("redis://127.0.0.1:9", "events", "events"),
        ("amqp://127.0.0.1:9", "events", "{session}"),
        ("amqp://127.0.0.1:9", "events", "a b"),
        ("amqp://127.0.0.1:9", "events", ""),
    ],
)
async def test_names_that_would_read_what_the_sink_writes_are_refused(url: str, target: str, commands: str) -> None:
    async with engine_with() as (engine, _):
        with pytest.raises(InvalidInput) as caught:
            await engine.create_sink(url=url, target=target, commands=commands)
        assert caught.value.field == "commands"
