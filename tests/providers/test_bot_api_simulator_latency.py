"""A latency counts from the arrival of a request, on a clock that only jumps to deadlines."""

from __future__ import annotations

import json

import pytest
import trio
from trio.testing import MockClock

from rookery_simulator.bot_api import open_bot_api_simulator
from rookery_simulator.bot_api.wire import exact_sleep
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
        monkeypatch.setattr(exact_sleep, "_open_timer", None)
    for seconds in (-1.0, 0.0, 0.0001, 0.0014, 0.0016, 0.004):
        deadline = trio.current_time() + seconds
        await exact_sleep.sleep_until(deadline)
        assert trio.current_time() >= deadline


async def test_without_a_file_to_spare_a_sleep_is_trios(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact_sleep, "_open_timer", lambda seconds: None)
    deadline = trio.current_time() + 0.5
    await exact_sleep.sleep_until(deadline)
    assert trio.current_time() == pytest.approx(deadline, abs=1e-6)
