"""Webhooks: headers, rotation of the secret, timeouts, and forbidden addresses."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from rookery import Engine, EngineSettings, open_engine
from rookery.delivery.public_addresses import PrivateAddress, is_public, open_public_stream
from rookery.errors import InvalidInput
from rookery.runtime import names
from rookery.store.open import MemoryStore
from support.fake_platform import CALM, FakePlatform, add, connected, event, open_fake_engine
from support.waiting import until, until_found
from support.webhook_receiver import open_webhook_receiver


async def deliver(engine: Engine, platform: FakePlatform, receiver: Any, key: object) -> Any:
    before = len(receiver.deliveries)
    await platform.link().inbox.commit([event(key)], None)
    with trio.fail_after(30):
        await receiver.wait_until(lambda: len(receiver.deliveries) > before)
    return receiver.deliveries[-1]


def verifies(secret: str, delivery: Any) -> bool:
    try:
        Verifier(secret).verify(delivery.body, delivery.headers)
    except WebhookVerificationError:
        return False
    return True


async def delivers_by(engine: Engine, secret: str) -> None:
    """Until the dispatcher has heard of the webhook's new secret."""
    await until(lambda: [endpoint.webhook.secret for endpoint in engine._dispatcher.endpoints] == [secret], seconds=20)


async def test_headers_and_both_secrets() -> None:
    platform = FakePlatform()
    async with (
        open_webhook_receiver() as receiver,
        open_engine(providers=[platform], store=MemoryStore(), settings=CALM) as engine,
    ):
        await add(engine)
        await connected(engine)
        url = receiver.url.replace("//", "//user:pass@")
        headers = {"Authorization": "Bearer mine", "X-Team": "blue", "User-Agent": "ours"}
        hook = await engine.create_webhook(url=url, id="w", headers=headers)
        first = await deliver(engine, platform, receiver, 1)
        assert (first.headers["authorization"], first.headers["x-team"]) == ("Bearer mine", "blue")
        assert first.headers["user-agent"] == "ours"
        assert verifies(hook.secret, first)
        rotated = await engine.rotate_secret("w", grace=60)
        again = await engine.rotate_secret("w", secret=rotated.secret)
        assert again.previous_secret == hook.secret, "a repeated rotation keeps the old secret"
        await delivers_by(engine, again.secret)
        both = await deliver(engine, platform, receiver, 2)
        assert len(both.headers["webhook-signature"].split()) == 2
        assert verifies(hook.secret, both)
        assert verifies(rotated.secret, both)
        last = await engine.rotate_secret("w", grace=0)
        await delivers_by(engine, last.secret)
        third = await deliver(engine, platform, receiver, 3)
        assert verifies(last.secret, third)
        assert not verifies(hook.secret, third)
        assert not verifies(rotated.secret, third)


async def test_the_old_secret_signs_until_the_grace_is_over() -> None:
    now = 1_700_000_000.0
    platform = FakePlatform()
    async with (
        open_webhook_receiver() as receiver,
        open_engine(providers=[platform], store=MemoryStore(), settings=CALM, clock=lambda: now) as engine,
    ):
        await add(engine)
        await connected(engine)
        await engine.create_webhook(url=receiver.url, id="w")
        await engine.rotate_secret("w")
        assert len((await deliver(engine, platform, receiver, 1)).headers["webhook-signature"].split()) == 2
        now += CALM.webhook_secret_grace + 1
        assert len((await deliver(engine, platform, receiver, 2)).headers["webhook-signature"].split()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"webhook-signature": "x"},
        {"Webhook-Anything": "x"},
        {"CONTENT-LENGTH": "0"},
        {"content-type": "x"},
        {"transfer-encoding": "chunked"},
        {"connection": "close"},
        {"x y": "1"},
        {"x": "a\r\nb: c"},
        {"x": "ü"},
        {"": "x"},
        {"a": "1", "A": "2"},
        {f"x{number}": "1" for number in range(21)},
    ],
)
async def test_headers_that_are_not_taken(headers: dict[str, str], autojump_clock: object) -> None:
    async with open_fake_engine(FakePlatform()) as engine:
        with pytest.raises(InvalidInput) as caught:
            await engine.create_webhook(url="http://one.example", headers=headers)
        assert caught.value.field == "headers"
        assert "\n" not in str(caught.value)


async def test_a_webhook_has_its_own_timeout() -> None:
    platform = FakePlatform()

    async def hang(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, hang, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        async with open_engine(providers=[platform], store=MemoryStore(), settings=EngineSettings()) as engine:
            await add(engine)
            await connected(engine)
            await engine.create_webhook(url=url, id="w", timeout=0.1)
            await platform.link().inbox.commit([event(1)], None)
            facts = await until_found(engine.webhook_facts, lambda facts: facts["w"].last_error is not None, seconds=30)
            error = facts["w"].last_error
            assert error == "no answer within 0.1 s"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "fec0::1",
        "3fff::1",
        "64:ff9b:1::7f00:1",
        "2002:a9fe:a9fe::",
        "::127.0.0.1",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "not an address",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


async def test_a_private_address_is_refused_at_the_moment_of_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the name led to before: the address that is checked is the one that is connected to."""
    answers = iter(["8.8.8.8", "127.0.0.1"])
    connected_to: list[str] = []

    def resolve(host: str, port: None, **_: object) -> list[Any]:
        assert host == "rebinding.example"
        return [(2, 1, 6, "", (next(answers), port))]

    async def connect(address: str, port: int) -> Any:
        connected_to.append(address)
        raise OSError("not in a test")

    monkeypatch.setattr(names, "getaddrinfo", resolve)
    monkeypatch.setattr(names, "_connect", connect)
    monkeypatch.setattr(names, "KEEP_SECONDS", 0.0)
    with pytest.raises(OSError, match="not in a test"):
        await open_public_stream("rebinding.example", 80)
    with pytest.raises(PrivateAddress):
        await open_public_stream("rebinding.example", 80)
    assert connected_to == ["8.8.8.8"]


@pytest.mark.parametrize("allowed", [True, False])
async def test_private_addresses_are_a_setting(allowed: bool) -> None:
    platform = FakePlatform()
    settings = EngineSettings(webhook_allow_private=allowed, webhook_attempts=1)
    async with (
        open_webhook_receiver() as receiver,
        open_engine(providers=[platform], store=MemoryStore(), settings=settings) as engine,
    ):
        await add(engine)
        await connected(engine)
        await engine.create_webhook(url=receiver.url.replace("127.0.0.1", "localhost"), id="w")
        await platform.link().inbox.commit([event(1)], None)
        with trio.fail_after(30):
            if allowed:
                await receiver.wait_until(lambda: len(receiver.deliveries) == 1)
            else:
                letters = await until_found(lambda: engine.dead_letters("w"))
                assert "`webhook_allow_private`" in letters[0].error
                assert receiver.deliveries == []


async def test_a_redirect_is_not_followed() -> None:
    platform = FakePlatform()
    async with (
        open_webhook_receiver() as receiver,
        open_webhook_receiver() as elsewhere,
        open_engine(providers=[platform], store=MemoryStore(), settings=EngineSettings(webhook_attempts=1)) as engine,
    ):
        receiver.status = lambda delivery: 307
        await add(engine)
        await connected(engine)
        await engine.create_webhook(url=receiver.url, id="w")
        await platform.link().inbox.commit([event(1)], None)
        letters = await until_found(lambda: engine.dead_letters("w"), seconds=30)
        assert letters[0].error == "answered 307"
        assert elsewhere.deliveries == []
