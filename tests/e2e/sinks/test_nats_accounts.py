"""NATS users that may publish to a stream and may not read it: an event that the stream took for another one is published
again under a different id, in the time of the same delivery."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from rookery import EngineSettings, open_engine
from rookery.delivery.transports.opening import open_transport
from rookery.model.event import NewEvent
from rookery.model.webhook import Delivery
from support.brokers.readers import read_all
from support.brokers.servers import open_broker
from support.fake_platform import FakePlatform

SETTINGS = EngineSettings(webhook_timeout=5.0)
ACCOUNTS = """
accounts {
  OWNER {
    jetstream: enabled
    users: [
      {user: owner, password: word}
      {user: writer, password: word, permissions: {publish: ["rookery.>"], subscribe: ["_INBOX.>"]}}
    ]
    exports: [{service: "rookery.>"}]
  }
  GUEST {
    users: [{user: guest, password: word}]
    imports: [{service: {account: OWNER, subject: "rookery.>"}}]
  }
}
"""


@pytest.mark.parametrize("user", ["writer", "guest"], ids=["no right to read", "another account's stream"])
async def test_an_event_that_the_stream_took_for_another_is_published_again(user: str, tmp_path: Path) -> None:
    platform = FakePlatform()
    async with (
        open_broker("nats", tmp_path, configuration=ACCOUNTS) as broker,
        open_engine(store="memory:", providers=[platform], settings=SETTINGS) as engine,
    ):
        plain, broker.url = broker.url, broker.url.replace("//", "//owner:word@")
        await engine.create_session(id="shop", platform=platform.platform, credentials={"token": "t"})
        one = await engine.create_sink(id="one", url=broker.url, events=["message"])
        two = await engine.create_sink(
            id="two",
            url=plain.replace("//", f"//{user}:word@"),
            target="rookery.two.{session}",
            events=["nothing.*"],
        )
        with trio.fail_after(60):
            await engine.wait_status("shop", "CONNECTED")  # type: ignore[arg-type]
            event = NewEvent("1", "message", 1_700_000_000.0, "7", "9", b'{"text": "hi"}', b"{}")
            await platform.link("shop").inbox.commit([event], None)
            while (await engine.webhook_facts())[one.id].delivered != 1:  # it has made the stream
                await trio.sleep(0.02)
            [stored] = [each for each in await engine.read_events() if each.type == "message"]
            async with (
                open_transport("nats", SETTINGS, engine.installation) as transport,
                transport.open_route(two, seconds=5.0) as route,
            ):
                attempt = await route.deliver(Delivery("two", stored, "lane"), now=1.0)
        assert attempt.delivered, attempt
        arrived = await read_all(broker)
        assert [one.place for one in arrived] == ["rookery.shop.message", "rookery.two.shop"]
        assert len({one.id for one in arrived}) == 2
        assert {one.body["data"]["id"] for one in arrived} == {stored.id}
