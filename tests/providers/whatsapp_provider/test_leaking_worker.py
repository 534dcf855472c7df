"""A worker that leaks is found by its trend, in a real process, and replaced without losing a message (G4)."""

from __future__ import annotations

import msgspec
import pytest

from providers.whatsapp_provider.conftest import Opener
from rookery import Engine, EngineSettings, EventQuery, MessageState, SessionStatus
from rookery.memory_facts import unique_memory
from whatsapp_engine import QUICK, reach

MIB = 1024**2
PATIENCE = 20.0
SAMPLES = 12
STEP = 4  # MiB that it loses between two checks


def settings(limit: int) -> EngineSettings:
    return msgspec.structs.replace(QUICK, memory_worker_limit=limit, memory_trend_window=SAMPLES)


async def tell(engine: Engine, text: str, id: str = "one") -> MessageState:
    message = await engine.submit(id, to="4915100000002", text=text)
    return (await engine.wait_message(message.id, PATIENCE)).state


async def keys(engine: Engine) -> list[str]:
    return [event.key for event in await engine.read_events(EventQuery(types=("message",), limit=500))]


@pytest.mark.parametrize("found_by", ["its trend", "its limit"])
async def test_it_is_replaced_and_no_message_is_lost(mocked: Opener, found_by: str) -> None:
    # Far from the limit the trend has to find it; close to it there is no time for a trend.
    limit = 250 * MIB if found_by == "its trend" else 60 * MIB
    async with mocked(settings=settings(limit), workers={"sessions_per_worker": 1}) as engine:
        for id in ("one", "two"):
            await engine.create_session(
                id=id, platform="whatsapp", settings={"sends_per_second_per_chat": 0, "sends_per_second": 0}
            )
            await reach(engine, id, SessionStatus.CONNECTED)
        before = {worker.sessions[0]: worker for worker in (await engine.memory()).workers}
        stored: list[str] = []
        waiting: list[str] = []
        actions = engine.telemetry.counters["memory_actions"]
        while not actions["restart_worker",]:
            assert len(stored) < 40, "nobody has noticed the leak"
            turn = len(stored)
            assert await tell(engine, f"leak:{STEP if found_by == 'its limit' else 3 * STEP}") is MessageState.SENT
            stored.append(f"key-{turn}")
            assert await tell(engine, f"event:key-{turn}") is MessageState.SENT
            # What is on its way while the worker is replaced is sent later or told as unknown, never dropped.
            waiting += [(await engine.submit("one", to="4915100000002", text=f"text {turn}.{n}")).id for n in range(3)]
            await engine.check_memory()
        await reach(engine, "one", SessionStatus.CONNECTED)
        states = {(await engine.wait_message(id, PATIENCE)).state for id in waiting}
        assert states <= {MessageState.SENT, MessageState.UNKNOWN}
        assert sorted(await keys(engine)) == sorted(stored)
        assert await tell(engine, "the new one works") is MessageState.SENT
        report = await engine.memory()
        workers = {worker.sessions[0]: worker for worker in report.workers if worker.sessions}
        assert workers["one"].unique < before["one"].unique + 2 * STEP * MIB, "the memory is back"
        assert workers["two"].pid == before["two"].pid, "its neighbour was left alone"
        assert actions["restart_worker",] == 1
        assert any("worker" in row.detail for row in await engine.history("one"))
        assert unique_memory(before["one"].pid) is None
