"""A latency counts from the arrival of a request, on a clock that only jumps to deadlines."""

from __future__ import annotations

import json
import math
import os

import pytest
import trio
from trio.testing import MockClock

from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_simulator.bot_api.wire import exact_sleep
from rookery_simulator.bot_api.wire.exact_sleep import ExactSleeps
from rookery_simulator.bot_api.wire.http import RequestReader
from support.clients.bot_api_client import TOKEN

LATENCY = 0.05


def request(text: str) -> bytes:
    body = json.dumps({"chat_id": 1, "text": text}).encode()
    head = f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    return head.encode() + b"%d\r\n\r\n" % len(body) + body


async def test_requests_that_arrive_together_wait_together(autojump_clock: MockClock) -> None:
    async with open_bot_api_simulator() as simulator:
        simulator.latency["sendmessage"] = LATENCY
        bot = simulator.bot(TOKEN)
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            first = request("first")
            await stream.send_all(first[:-1])  # it has not arrived before its last byte
            await trio.sleep(7.0)
            assert not bot.sent
            started = trio.current_time()
            await stream.send_all(first[-1:] + request("second"))
            received = b""
            while received.count(b'"ok":true') < 1:
                received += await stream.receive_some()
            assert trio.current_time() - started == pytest.approx(LATENCY, abs=1e-6)
            while received.count(b'"ok":true') < 2:
                received += await stream.receive_some()
            assert trio.current_time() - started == pytest.approx(LATENCY, abs=1e-6)
            assert [sent.text for sent in bot.sent] == ["first", "second"]


@pytest.mark.parametrize("latency", [0.001, 0.05, 0.1, 0.3, 1.0, 1.1, 2.0, 3.3])
async def test_a_timeout_above_the_latency_stands(autojump_clock: MockClock, latency: float) -> None:
    async with open_bot_api_simulator() as simulator:
        simulator.latency["sendmessage"] = latency
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            for _ in range(3):
                started = trio.current_time()
                with trio.fail_after(10):
                    await stream.send_all(request("x"))
                    assert await stream.receive_some()
                assert trio.current_time() - started == pytest.approx(latency, abs=1e-6)


def test_a_request_arrives_with_its_last_byte() -> None:
    now = 1.0
    reader = RequestReader(1000, lambda: now)
    whole = request("x")
    reader.feed(whole + whole[:-1])
    now = 2.0
    reader.feed(whole[-1:])
    assert [each.arrived_at for each in reader.requests] == [1.0, 2.0]


@pytest.mark.parametrize("has_timers", [True, False])
async def test_a_sleep_never_ends_early(has_timers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_timers:
        monkeypatch.setattr(exact_sleep, "_open_timer", lambda: None)
    sleeps = ExactSleeps()

    async def sleep(seconds: float) -> None:
        deadline = trio.current_time() + seconds
        await sleeps.until(deadline)
        assert trio.current_time() >= deadline

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeps.run)
        async with trio.open_nursery() as sleepers:
            for seconds in (0.004, 0.0016, 0.0, 0.0014, -1.0, 0.0001, 0.002, 0.002):
                sleepers.start_soon(sleep, seconds)
        for seconds in (0.0001, 0.003):
            await sleep(seconds)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("has_timers", [True, False])
async def test_each_sleep_ends_at_its_deadline(
    has_timers: bool, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_timers:
        monkeypatch.setattr(exact_sleep, "_open_timer", lambda: None)
    sleeps = ExactSleeps()
    ended: list[float] = []

    async def sleep(seconds: float) -> None:
        await sleeps.until(seconds)
        assert trio.current_time() == pytest.approx(seconds, abs=1e-6)
        ended.append(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeps.run)
        async with trio.open_nursery() as sleepers:
            for seconds in (5.0, 0.3, 7.0, 0.3, 0.0007, math.inf):
                sleepers.start_soon(sleep, seconds)
            await trio.sleep(6.0)
            assert ended == [0.0007, 0.3, 0.3, 5.0]
            sleepers.cancel_scope.cancel()
        await sleep(8.0)  # a cancelled one, whose deadline passes meanwhile, is left alone
        nursery.cancel_scope.cancel()
    assert ended[4:] == [8.0]


async def test_a_served_simulator_leaves_no_timer_open() -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(3):
        async with open_bot_api_simulator():
            pass
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
