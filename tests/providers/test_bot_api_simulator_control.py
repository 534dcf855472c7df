"""The control API, and the simulator as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.clients.bot_api_client import DEADLINE, TOKEN, open_bot_client, wait_until

T = f"/bots/{TOKEN}"


async def test_updates_are_injected_in_every_form() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        (text_id,) = await client.control("POST", f"{T}/updates", {"text": "hi", "chat_id": 4, "from_id": 9})
        partial_ids = await client.control(
            "POST", f"{T}/updates", [{"edited_message": {"text": "b"}}, {"chat_member": {}}]
        )
        bulk_ids = await client.control("POST", f"{T}/updates", {"count": 2500, "chats": 10})
        assert partial_ids == [text_id + 1, None]
        assert bulk_ids == list(range(text_id + 2, text_id + 2502))
        updates = await client.result("getUpdates")
        assert (updates[0]["message"]["from"]["id"], updates[1]["edited_message"]["text"]) == (9, "b")
        assert client.bot.messages[10, 250]["text"] == "2500"
        page = await client.control("GET", f"{T}/updates?after={text_id}&limit=2")
        assert [(entry["update_id"], entry["kind"], entry["deliveries"]) for entry in page] == [
            (text_id + 1, "edited_message", 1),
            (text_id + 2, "message", 1),
        ]
        assert page[0]["update"]["edited_message"]["text"] == "b"


async def test_a_message_reaches_every_bot() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        tokens = await client.control("POST", "/bots", {"count": 3})
        assert len({*tokens}) == 3
        assert await client.control("POST", "/bots", {"token": TOKEN}) == [TOKEN]
        result = await client.control("POST", "/updates", {"text": "all"})
        assert set(result) == {*tokens, TOKEN}
        stats = await client.control("GET", "/stats")
        assert (stats["bots"], stats["queued"], stats["pushed"]) == (4, 4, 4)
        assert [state["queued"] for state in await client.control("GET", "/bots")] == [1, 1, 1, 1]


async def test_the_state_of_a_bot() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        await client.control("POST", f"{T}/updates", {"count": 3})
        updates = await client.result("getUpdates")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(client.call, "getUpdates", offset=updates[-1]["update_id"] + 1, timeout=50))
            await wait_until(simulator, lambda: client.bot.polls.in_flight == 1)
            await client.result("sendMessage", chat_id=1, text="answer")
            await client.result("sendChatAction", chat_id=1, action="typing")
            state = await client.control("GET", T)
            polls = await client.control("GET", f"{T}/polls")
            nursery.cancel_scope.cancel()
        expected = {
            "queued": 0,
            "pushed": 3,
            "handed_out": 3,
            "repeated": 0,
            "confirmed": 3,
            "last_offset": updates[-1]["update_id"] + 1,
            "sent": 1,
            "conflicts": 0,
            "polls": 2,
            "polls_in_flight": 1,
            "max_simultaneous_polls": 1,
            "poll_outcomes": {"answered": 1},
        }
        assert {key: state[key] for key in expected} == expected
        assert [poll["outcome"] for poll in polls["polls"]] == ["answered", ""]
        assert polls["polls"][0]["ended_at"] <= polls["polls"][1]["arrived_at"]
        assert polls["conflicts"] == []
        (sent,) = await client.control("GET", f"{T}/sent")
        assert (sent["text"], sent["chat_id"]) == ("answer", 1)
        assert await client.control("GET", f"{T}/sent?after={sent['number']}") == []
        (action,) = await client.control("GET", f"{T}/actions")
        assert action["method"] == "sendChatAction"


async def test_bots_and_chats_are_steered() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        await client.control("POST", f"{T}/block", {"chat_id": 5})
        assert (await client.error("sendMessage", chat_id=5, text="x"))[0] == 403
        await client.control("POST", f"{T}/unblock", {"chat_id": 5})
        await client.control("POST", f"{T}/migrate", {"chat_id": -5, "to_chat_id": -1001})
        assert (await client.error("sendMessage", chat_id=-5, text="x"))[0] == 400
        await client.control("POST", "/limits", {"chat_per_second": 1})
        await client.result("sendMessage", chat_id=5, text="x")
        assert (await client.error("sendMessage", chat_id=5, text="x"))[0] == 429
        await client.control("POST", f"{T}/updates", {"text": "old"})
        await client.control("POST", f"{T}/restart_ids")
        assert client.bot.queue.tail == 0
        await client.control("POST", "/latency", {"method": "getMe", "seconds": 0.01})
        await client.result("getMe")
        assert simulator.latency == {"getme": 0.01}
        await client.control("POST", f"{T}/revoke")
        assert await client.error("getMe") == (401, "Unauthorized")
        await client.control("POST", "/reset")
        await client.result("getMe")


async def test_faults_are_set_and_cleared() -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        fault = await client.control("POST", "/faults", {"kind": "status", "status": 500, "method": "getMe"})
        other = await client.control("POST", "/faults", {"kind": "drop", "token": "1:x"})
        assert (await client.call("getMe")).status_code == 500
        assert [entry["hits"] for entry in await client.control("GET", "/faults")] == [1, 0]
        assert await client.control("DELETE", f"/faults/{fault['id']}") == 1
        await client.result("getMe")
        assert await client.control("DELETE", f"/faults/{other['id']}") == 1
        assert await client.control("DELETE", "/faults") == 0


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/stats", None, 404),
        ("POST", T + "/nothing", {}, 404),
        ("PUT", "/faults", {}, 404),
        ("GET", "/bots/not-a-token", None, 400),
        ("POST", "/bots", {"token": "not-a-token"}, 400),
        ("POST", "/bots", {"count": "many"}, 400),
        ("POST", "/faults", {"kind": "meteor"}, 400),
        ("POST", "/faults", {"kind": "drop", "colour": "red"}, 400),
        ("POST", "/latency", {}, 400),
        ("POST", T + "/updates", {}, 400),
        ("POST", T + "/updates", "hi", 400),
        ("POST", T + "/updates", {"text": 5}, 400),
        ("POST", T + "/updates", {"count": -1}, 400),
        ("POST", T + "/updates", {"count": 1, "chats": 0}, 400),
        ("GET", T + "/sent?after=x", None, 400),
    ],
)
async def test_wrong_requests_are_refused(verb: str, path: str, body: Any, status: int) -> None:
    async with open_bot_api_simulator() as simulator, open_bot_client(simulator) as client:
        content = b"" if body is None else json.dumps(body).encode()
        response = await client.http.request(verb, f"/control{path}", content=content)
        assert (response.status_code, response.json()["ok"]) == (status, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_process_prints_its_address_and_ends_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "rookery_simulator", "telegram", "--port", "0", "--no-auto-register"]
    with trio.fail_after(3 * DEADLINE):
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(trio.run_process, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            )
            line = b""
            while not line.endswith(b"\n"):
                line += await process.stdout.receive_some()
            prefix, _, url = line.decode().strip().rpartition(" ")
            assert prefix == "Bot API simulator on"
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
                assert (await http.get(f"/bot{TOKEN}/getMe")).status_code == 401
                assert (await http.get("/control/stats")).json()["result"]["bots"] == 0
                process.send_signal(number)
                assert await process.wait() == 0
            assert await process.stderr.receive_some() == b""


def test_the_process_explains_its_use() -> None:
    wrong = subprocess.run([sys.executable, "-m", "rookery_simulator"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "telegram" in wrong.stderr


def test_importing_the_package_imports_no_simulator() -> None:
    code = "import sys, rookery_simulator as r; print([m for m in sys.modules if m.startswith('rookery_simulator.')])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
