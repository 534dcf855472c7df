"""`rookery chats SESSION [CHAT]` against a real server: one conversation of both directions and what happened to it."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from rookery_simulator.bot_api import open_bot_api_simulator
from support.server_process import ServerProcess, open_server_process
from support.traffic import add_sessions, settings_for

PERSON = {"id": 7, "type": "private", "first_name": "Ann"}
ANN = {"id": 7, "is_bot": False, "first_name": "Ann"}


async def rookery(server: ServerProcess, *arguments: str) -> str:
    command = [sys.executable, "-m", "rookery_http", *arguments, "--url", server.url]
    done = await trio.run_process(command, capture_stdout=True)
    return done.stdout.decode()


async def shown(server: ServerProcess, count: int) -> list[dict[str, Any]]:
    """The conversation as the command prints it, once there are so many messages."""
    with trio.fail_after(60):
        while True:
            rows: list[dict[str, Any]] = json.loads(await rookery(server, "chats", "shop", "7", "--json"))
            if len(rows) >= count:
                return rows
            await trio.sleep(0.1)


@pytest.mark.slow
async def test_the_command_shows_both_directions_with_an_edit_a_reaction_and_a_deletion(tmp_path: Path) -> None:
    now = int(time.time())
    async with open_bot_api_simulator() as simulator:
        bot = simulator.new_bot()
        async with open_server_process(tmp_path / "data", environment=settings_for(simulator)) as server:
            await server.listening()
            await add_sessions(server, {"shop": bot.token})
            asked = {"message_id": 100, "date": now - 100, "chat": PERSON, "from": ANN, "text": "Is it payed?"}
            bot.push_update({"message": asked})
            await shown(server, 1)
            async with server.client() as client:

                async def send(**body: Any) -> Any:
                    answer = await client.post("/v1/sessions/shop/messages", json={"to": "7"} | body)
                    assert answer.status_code == 200, answer.text
                    return answer.json()["receipt"]["message_id"]

                answered = await send(text="It is payd.")
                mistake = await send(text="for somebody else")
                bot.push_update({"edited_message": asked | {"edit_date": now - 40, "text": "Is it paid?"}})
                thumb = {"type": "emoji", "emoji": "👍"}
                about = {"chat": PERSON, "date": now - 10, "message_id": int(answered), "user": ANN}
                bot.push_update({"message_reaction": about | {"old_reaction": [], "new_reaction": [thumb]}})
                await send(type="edit", message_id=answered, text="It is paid.")
                await send(type="delete", message_id=mistake)
            with trio.fail_after(60):
                while not any(row["reactions"] for row in await shown(server, 3)):
                    await trio.sleep(0.1)
            lines = (await rookery(server, "chats", "shop", "7")).splitlines()
            text = "\n".join(lines)
            for words in ("Is it paid? (edited)", "It is paid. (edited)", "👍", "(deleted)", "Ann", "→", "←"):
                assert words in text, text
            for words in ("payed", "payd", "somebody else"):
                assert words not in text, text
            listed = await rookery(server, "chats", "shop")
            assert "Ann" in listed
