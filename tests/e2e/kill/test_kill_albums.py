"""Albums across `kill -9` and a handoff: each part is in the log once, and one event has all parts."""

from __future__ import annotations

import signal
from typing import Any

import trio

from rookery_simulator.bot_api import BotApiSimulator, Fault, open_bot_api_simulator
from support.bot_api.album_parts import push_part
from support.server_process import ServerProcess, open_server_process
from support.storage import Storage
from support.traffic import all_poll, read_log, settings_for

PAUSE = 1.5


async def add_sessions(server: ServerProcess, simulator: BotApiSimulator, tokens: dict[str, str]) -> None:
    async with server.client() as client:
        for id, token in tokens.items():
            body = {"id": id, "platform": "telegram", "credentials": {"token": token}}
            created = await client.post("/v1/sessions", json=body | {"settings": {"gather_albums": PAUSE}})
            assert created.status_code == 201, created.text
    await all_poll(simulator, tokens)


async def received(server: ServerProcess, session: str, parts: int, albums: int) -> tuple[list[Any], list[Any]]:
    """The parts and the albums in a session's log, once there are so many."""
    with trio.fail_after(40):
        while True:
            events = await read_log(server, session)
            found = [[event for event in events if event["type"] == type] for type in ("message", "album")]
            if len(found[0]) >= parts and len(found[1]) >= albums:
                return found[0], found[1]
            await trio.sleep(0.02)


async def check_one_album(server: ServerProcess, session: str, parts: int) -> None:
    """Each part was stored once, and one album has them all."""
    stored, [album] = await received(server, session, parts, 1)
    ids = [part["body"]["message_id"] for part in stored]
    assert ids == album["body"]["message_ids"] == [str(number + 1) for number in range(parts)]
    assert [part["key"] for part in album["body"]["parts"]] == [part["key"] for part in stored]
    assert album["id"] > max(part["id"] for part in stored)


async def test_albums_survive_a_kill(storage: Storage) -> None:
    """One album lacks a part, of one the pause is not over, and one has just become an event when the process dies."""
    async with open_bot_api_simulator() as simulator:
        bots = {id: simulator.new_bot() for id in ("between", "waiting", "complete")}
        environment = settings_for(simulator) | storage.environment
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            await add_sessions(server, simulator, {id: bot.token for id, bot in bots.items()})
            # The polls that wait are answered; those that would confirm the ten parts do not reach the server.
            deaf = Fault(kind="drop", method="getUpdates", token=bots["complete"].token)
            simulator.faults.add(deaf)
            for _ in range(10):
                push_part(bots["complete"], "g")
            await received(server, "complete", 10, 1)
            for id, count in (("between", 2), ("waiting", 3)):
                for _ in range(count):
                    push_part(bots[id], "g")
            await received(server, "between", 2, 0)
            _, albums = await received(server, "waiting", 3, 0)
            server.process.kill()
            await server.process.wait()
            assert not albums, "the process was killed too late"
        simulator.faults.clear()
        push_part(bots["between"], "g")
        await trio.sleep(PAUSE)  # so that it is over when the next process begins
        async with open_server_process(storage.data_dir, environment=environment) as server:
            await server.listening()
            await check_one_album(server, "between", 3)
            await check_one_album(server, "waiting", 3)
            push_part(bots["complete"], "h")  # once it is an event, whatever the server repeated has been looked at
            parts, albums = await received(server, "complete", 11, 2)
            assert [len(album["body"]["parts"]) for album in albums] == [10, 1]
            assert len({part["body"]["message_id"] for part in parts}) == len(parts) == 11
            assert deaf.hits


async def test_albums_survive_a_handoff(shared_storage: Storage) -> None:
    """One album comes while the first instance serves; the next ones are begun there and end on the second."""
    async with open_bot_api_simulator() as simulator:
        bots = {id: simulator.new_bot() for id in ("before", "amid", "waiting")}
        environment = settings_for(simulator) | shared_storage.environment
        data_dir = shared_storage.data_dir
        async with open_server_process(data_dir, environment=environment) as first:
            await first.listening()
            await add_sessions(first, simulator, {id: bot.token for id, bot in bots.items()})
            for _ in range(3):
                push_part(bots["before"], "g")
            async with open_server_process(data_dir, environment=environment) as second:
                await second.listening()
                await check_one_album(first, "before", 3)
                for id, count in (("amid", 2), ("waiting", 3)):
                    for _ in range(count):
                        push_part(bots[id], "g")
                await received(first, "amid", 2, 0)
                await received(first, "waiting", 3, 0)
                first.send_signal(signal.SIGTERM)
                assert await first.ended(12) == 0, first.errors.decode()
                push_part(bots["amid"], "g")
                for id in bots:
                    await check_one_album(second, id, 3)
                async with second.client() as client:
                    sessions = (await client.get("/v1/sessions")).json()["sessions"]
                assert {session["status"] for session in sessions} == {"CONNECTED"}
