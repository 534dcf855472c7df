"""Injected faults as a client sees them, and whether the call took effect."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx
import pytest
import trio

from rookery_simulator.bot_api import Fault, open_bot_api_simulator
from support.clients.bot_api_client import DEADLINE, TOKEN, open_bot_client, wait_until


@pytest.mark.parametrize(
    ("fault", "error", "is_applied"),
    [
        (Fault(kind="drop"), httpx.RemoteProtocolError, False),
        (Fault(kind="drop", reset=True), httpx.ReadError, False),
        (Fault(kind="drop", is_applied=True), httpx.RemoteProtocolError, True),
        (Fault(kind="lost_answer"), httpx.RemoteProtocolError, True),
        (Fault(kind="truncated"), httpx.RemoteProtocolError, True),
        (Fault(kind="half_close", seconds=0.01), httpx.RemoteProtocolError, True),
        (Fault(kind="half_close", seconds=60), httpx.ReadTimeout, True),
    ],
)
async def test_answers_that_never_arrive(fault: Fault, error: type[Exception], is_applied: bool) -> None:
    with trio.fail_after(DEADLINE):
        async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
            if error is httpx.ReadTimeout:
                client.http.timeout = httpx.Timeout(DEADLINE, read=0.5)
            simulator.faults.add(fault).count = 1
            with pytest.raises(error):
                await client.result("sendMessage", chat_id=1, text="x")
            assert [sent.text for sent in client.bot.sent] == ["x"] * is_applied
            await client.result("sendMessage", chat_id=1, text="y")
            assert fault.hits == 1


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({"status": 500}, 500, {"error_code": 500, "description": "Internal Server Error: restart"}),
        (
            {"status": 429, "retry_after": 7},
            429,
            {
                "error_code": 429,
                "description": "Too Many Requests: retry after 7",
                "parameters": {"retry_after": 7},
            },
        ),
        ({"status": 421}, 421, {"error_code": 421, "description": "Misdirected Request: unallowed token specified"}),
        (
            {"status": 400, "description": "Bad Request: moved", "parameters": {"migrate_to_chat_id": -100}},
            400,
            {"error_code": 400, "description": "Bad Request: moved", "parameters": {"migrate_to_chat_id": -100}},
        ),
        ({"status": 502}, 502, None),
        ({"status": 504}, 504, None),
        ({"status": 502, "description": "Bad Gateway"}, 502, {"error_code": 502, "description": "Bad Gateway"}),
        ({"kind": "not_ok", "status": 403}, 200, {"error_code": 403, "description": "Bad Request: something is wrong"}),
    ],
)
async def test_answers_that_are_errors(fields: dict[str, Any], status: int, body: dict[str, Any] | None) -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        simulator.faults.add(Fault(**({"kind": "status"} | fields)))
        response = await client.call("sendMessage", chat_id=1, text="x")
        assert response.status_code == status
        if body is None:
            assert response.headers["Content-Type"] == "text/html"
            assert "nginx" in response.text
        else:
            assert response.json() == {"ok": False} | body
        assert response.headers.get("Retry-After") == ("7" if status == 429 else None)
        assert not client.bot.sent


async def test_redirects_and_garbage() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        simulator.faults.add(Fault(kind="status", status=302, headers={"Location": "https://example.org/"}, count=1))
        simulator.faults.add(Fault(kind="garbage", count=1))
        simulator.faults.add(Fault(kind="garbage", body='{"ok":tr', count=1))
        redirect = await client.call("getMe")
        assert (redirect.status_code, redirect.headers["Location"]) == (302, "https://example.org/")
        garbage = await client.call("getMe")
        assert (garbage.status_code, garbage.text) == (200, "<<< this is not JSON >>>")
        assert (await client.call("getMe")).text == '{"ok":tr'
        await client.result("getMe")
        assert not simulator.faults


async def test_an_error_may_hide_an_effect() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        simulator.faults.add(Fault(kind="status", status=504, is_applied=True, count=1))
        assert (await client.call("sendMessage", chat_id=1, text="x")).status_code == 504
        assert len(client.bot.sent) == 1


async def test_faults_choose_their_requests() -> None:
    async with (
        open_bot_api_simulator() as simulator,
        open_bot_client(simulator) as one,
        open_bot_client(simulator, "654321:AAbbCCddEE") as other,
    ):
        fault = simulator.faults.add(
            Fault(kind="status", status=500, token=TOKEN, method="sendMessage", skip=1, count=2)
        )
        codes = [(await one.call("sendMessage", chat_id=1, text="x")).status_code for _ in range(4)]
        assert codes == [200, 500, 500, 200]
        assert fault.is_spent
        forever = simulator.faults.add(Fault(kind="status", token=TOKEN))
        await other.result("getMe")
        assert (await one.call("getMe")).status_code == 500
        assert (await one.call("getUpdates")).status_code == 500
        assert simulator.faults.clear(forever.id) == 1
        await one.result("getMe")
        assert [poll.outcome for poll in one.bot.polls.history] == ["failed"]


async def test_a_delay_comes_before_another_fault() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        simulator.faults.add(Fault(kind="delay", seconds=0.05, count=2))
        simulator.faults.add(Fault(kind="status", count=1))
        started = trio.current_time()
        assert (await client.call("getMe")).status_code == 500
        assert (await client.call("getUpdates")).status_code == 200
        assert trio.current_time() - started >= 0.1


@pytest.mark.parametrize(("is_applied", "seconds"), [(False, 0.2), (True, 60)])
async def test_a_client_that_gives_up_does_not_take_its_send_back(is_applied: bool, seconds: float) -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        fault = simulator.faults.add(Fault(kind="delay", seconds=seconds, is_applied=is_applied))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(client.call, "sendMessage", chat_id=1, text="x"))
            await wait_until(simulator, lambda: fault.hits == 1)
            nursery.cancel_scope.cancel()
        await wait_until(simulator, lambda: len(client.bot.sent) == 1)


async def test_a_poll_cut_off_has_confirmed_all_the_same() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        client.bot.push_many(2)
        (first, second) = await client.result("getUpdates")
        simulator.faults.add(Fault(kind="truncated", count=1))
        with pytest.raises(httpx.RemoteProtocolError):
            await client.call("getUpdates", offset=second["update_id"])
        assert [update.end for update in client.bot.queue.history] == ["confirmed", ""]
        assert [update.deliveries for update in client.bot.queue.history] == [1, 2]
        assert client.bot.polls.outcomes == {"answered": 1, "dropped": 1}
        assert first["message"]["text"] == "1"


async def test_latency_slows_methods_down() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        simulator.latency["sendmessage"] = 0.05
        simulator.latency["getupdates"] = 0.05
        started = trio.current_time()
        await client.result("sendMessage", chat_id=1, text="x")
        await client.result("getUpdates")
        assert trio.current_time() - started >= 0.1
        simulator.latency.clear()
