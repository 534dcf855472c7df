"""A worker that leaks is found by its trend and replaced; its sessions connect again, and no stored message is lost (G4).

The worker is a real process that really grows, and its memory is read from the kernel. Only the time between two readings
is made up, so that a day's leak takes seconds and a busy machine changes no slope.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec
import pytest

from providers.whatsapp_provider.conftest import Opener
from rookery import Engine, EventQuery, MessageState, SessionStatus
from rookery.background.memory_reading import unique_memory
from rookery.provider.capabilities import WorkerInfo
from support.waiting import until, until_found
from support.whatsapp_engine import PATIENCE, QUICK, reach, reasons

MIB = 1024**2
LIMIT = 120 * MIB  # the mock alone has about 20
STEP = 8  # MiB that it loses between two readings
SAMPLES = 12
SETTINGS = msgspec.structs.replace(QUICK, memory_worker_limit=LIMIT, memory_trend_window=SAMPLES)
UNPACED = {"sends_per_second": 0, "sends_per_second_per_chat": 0}


async def tell(engine: Engine, text: str, id: str) -> MessageState:
    """Let the mock do something, and wait until it is done."""
    message = await engine.submit(id, to="4915100000002", text=text)
    return (await engine.wait_message(message.id, PATIENCE)).state


async def keys(engine: Engine) -> list[str]:
    return [event.key for event in await engine.read_events(EventQuery(types=("message",), limit=500))]


def hosts(engine: Engine) -> dict[str, WorkerInfo]:
    """Its worker by session."""
    workers = engine.providers["whatsapp"].workers()  # type: ignore[attr-defined]
    return {session: worker for worker in workers for session in worker.sessions}


def readings_every(seconds: float) -> Callable[[], float]:
    """A clock for the memory guard: the samples of one check have the same time."""
    checks = count()
    return lambda: seconds * next(checks)


async def open_sessions(engine: Engine) -> dict[str, WorkerInfo]:
    """`leaking` and `beside` share a worker, `elsewhere` has its own."""
    for id in ("leaking", "beside", "elsewhere"):
        await engine.create_session(id=id, platform="whatsapp", settings=UNPACED)
        await reach(engine, id, SessionStatus.CONNECTED)
    before = hosts(engine)
    assert before["leaking"].pid == before["beside"].pid != before["elsewhere"].pid
    return before


@pytest.mark.parametrize(("found_by", "limit", "most"), [("its trend", LIMIT, 0.8), ("its limit", LIMIT // 2, 1.3)])
async def test_it_is_replaced_and_no_message_is_lost(mocked: Opener, found_by: str, limit: int, most: float) -> None:
    settings = msgspec.structs.replace(SETTINGS, memory_worker_limit=limit)
    async with mocked(settings=settings, workers={"sessions_per_worker": 2}) as engine:
        before = await open_sessions(engine)
        # Two processes and the engine are sampled in each check: a third of five minutes from one to the next. A trend over
        # less than half of its window is none yet, so that the smaller limit is reached before.
        engine._memory._monotonic = readings_every(100.0)
        actions = engine.telemetry.counters["memory_actions"]
        stored: list[str] = []
        waiting: list[str] = []
        while not actions["restart_worker",]:
            turn = len(stored) // 2
            assert turn < 3 * SAMPLES, "the leak was never noticed"
            assert await tell(engine, f"leak:{STEP if found_by == 'its trend' else 2 * STEP}", "leaking") == "sent"
            for id in ("leaking", "elsewhere"):
                stored.append(f"{id}-{turn}")
                assert await tell(engine, f"event:{stored[-1]}", id) == "sent"
            # What is on its way while the worker is replaced is sent later or told as unknown, never dropped.
            waiting += [
                (await engine.submit("beside", to="4915100000002", text=f"text {turn}.{n}")).id for n in range(3)
            ]
            report = await engine.check_memory()
        grown = next(worker for worker in report.workers if worker.pid == before["leaking"].pid).unique
        assert grown < most * limit
        await until(
            lambda: hosts(engine).get("leaking", before["leaking"]).pid != before["leaking"].pid, seconds=PATIENCE
        )
        for id in ("leaking", "beside"):
            await reach(engine, id, SessionStatus.CONNECTED)
            assert await tell(engine, f"event:new-{id}", id) is MessageState.SENT
            stored.append(f"new-{id}")
        states = {(await engine.wait_message(id, PATIENCE)).state for id in waiting}
        assert MessageState.SENT in states <= {MessageState.SENT, MessageState.UNKNOWN}
        # An event is stored a moment after the answer to the call that made it.
        await until_found(lambda: keys(engine), lambda found: len(found) >= len(stored), seconds=PATIENCE)
        assert sorted(await keys(engine)) == sorted(stored)
        after = hosts(engine)
        assert before["leaking"].pid not in {worker.pid for worker in after.values()}
        assert unique_memory(before["leaking"].pid) is None, "the old process is gone"
        assert unique_memory(after["leaking"].pid) < grown - 2 * STEP * MIB, "its memory is back"  # type: ignore[operator]
        # The other sessions were not affected.
        assert after["elsewhere"].pid == before["elsewhere"].pid
        connects = {id: reasons(await engine.history(id)).count("CONNECTED") for id in before}  # type: ignore[arg-type]
        assert connects == {"leaking": 2, "beside": 2, "elsewhere": 1}
        assert actions["restart_worker",] == 1


async def test_one_that_only_works_is_left_alone(mocked: Opener) -> None:
    """As large, and no trend: it took its memory at once and keeps it."""
    async with mocked(settings=SETTINGS, workers={"sessions_per_worker": 2}) as engine:
        before = await open_sessions(engine)
        engine._memory._monotonic = readings_every(100.0)
        assert await tell(engine, "leak:75", "leaking") is MessageState.SENT
        for turn in range(SAMPLES + 3):
            assert await tell(engine, f"event:key-{turn}", "leaking") is MessageState.SENT
            report = await engine.check_memory()
        assert max(worker.unique for worker in report.workers) > LIMIT / 2
        assert not any(engine.telemetry.counters["memory_actions"].values())
        assert {worker.pid for worker in report.workers} == {worker.pid for worker in before.values()}
