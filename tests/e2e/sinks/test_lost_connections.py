"""Brokers whose connections go silent without being closed, and ports where none listens."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import trio

from rookery import EngineSettings
from rookery.delivery.transports.opening import open_transport
from rookery.delivery.transports.transport import Route
from rookery.model.event import Event
from rookery.model.webhook import Delivery, Webhook
from support.brokers.readers import prepare
from support.brokers.servers import KINDS, free_port, open_broker
from support.stalling_proxy import open_stalling_proxy

SECONDS = 1.0


def sink_of(url: str) -> Webhook:
    return Webhook(id="sink", url=url, secret="", target="rookery.{session}.{type}", created_at=0.0, updated_at=0.0)


def delivery(number: int) -> Delivery:
    event = Event(number, "shop", "fake", "message", str(number), 1.0, str(number), "9", {"text": "hi"}, None)
    return Delivery("sink", event, str(number))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_sink_works_again_as_soon_as_new_connections_do(kind: str, tmp_path: Path) -> None:
    """More deliveries hang than a pool has places, on connections that stay open."""
    async with open_broker(kind, tmp_path) as broker:
        await prepare(broker)
        async with (
            open_stalling_proxy("127.0.0.1", broker.port) as proxy,
            open_transport(kind, EngineSettings(), "i") as transport,
            transport.open_route(sink_of(f"{kind}://127.0.0.1:{proxy.port}"), seconds=SECONDS) as route,
        ):
            with trio.fail_after(20):
                while not (await route.deliver(delivery(0), now=0.0)).delivered:
                    pass

            async def hang(route: Route, number: int) -> None:
                assert not (await route.deliver(delivery(number), now=0.0)).delivered

            proxy.lose()
            proxy.set(requests=False)
            for _ in range(2):
                async with trio.open_nursery() as nursery:
                    for number in range(1, 21):
                        nursery.start_soon(hang, route, number)
            proxy.lose()
            proxy.set()
            attempt = await route.deliver(delivery(21), now=0.0)
            if not attempt.delivered:  # it may have met the end of the last connection
                attempt = await route.deliver(delivery(22), now=0.0)
            assert attempt.delivered, attempt


@pytest.mark.parametrize("kind", KINDS)
async def test_a_port_that_refuses_leaves_nothing_behind(kind: str) -> None:
    async with (
        open_transport(kind, EngineSettings(), "i") as transport,
        transport.open_route(sink_of(f"{kind}://127.0.0.1:{free_port()}"), seconds=SECONDS) as route,
    ):
        attempt = await route.deliver(delivery(1), now=0.0)
        assert not attempt.delivered
    del attempt
    gc.collect()  # what was not closed warns now, and a warning fails the test
