"""The server as a process: SIGTERM logs no session out, kill -9 leaves no worker behind and loses no stored event."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from rookery_simulator.whatsapp import LinkedDevice, WhatsAppSimulator
from support.whatsapp_engine import BOB, PATIENCE, QUICK, events_of, link, open_whatsapp_engine

TESTS = Path(__file__).parents[2]
SESSIONS = 30
KILLS = 2
GRACE = 10.0  # seconds that a container has


async def link_all(simulator: WhatsAppSimulator, directory: Path, count: int) -> list[LinkedDevice]:
    """Sessions that are linked and at rest."""
    devices: list[LinkedDevice] = []

    async with open_whatsapp_engine(simulator, directory) as engine:

        async def one(number: int) -> None:
            devices.append((await link(engine, simulator, f"s{number}", f"49151000005{number:02}"))[1])

        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(one, number)
        began = trio.current_time()
    took = trio.current_time() - began
    print(f"\n{count} sessions disconnected in {took:.2f} s")
    assert took < QUICK.shutdown_grace
    assert not any(device.removed or device.connection for device in devices)
    return devices


@asynccontextmanager
async def open_server(simulator: WhatsAppSimulator, directory: Path) -> AsyncIterator[trio.Process]:
    environment = os.environ | simulator.environment()
    environment |= {"ROOKERY_DATA_DIR": str(directory), "ROOKERY_PORT": "0", "PYTHONPATH": str(TESTS)}
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process,
            [sys.executable, "-m", "support.whatsapp_server"],
            env=environment,
            check=False,
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
        )
        process = await nursery.start(run)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def active(devices: list[LinkedDevice]) -> None:
    with trio.fail_after(PATIENCE):
        for device in devices:
            await device.wait_active()


async def gone(pids: list[int]) -> float:
    """Seconds until none of these processes is there."""
    began = trio.current_time()
    with trio.fail_after(PATIENCE):
        while any(lives(pid) for pid in pids):
            await trio.sleep(0.01)
    return trio.current_time() - began


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def workers_of(process: trio.Process) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in children.split()]


async def test_sigterm_with_thirty_sessions(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    devices = await link_all(whatsapp, tmp_path, SESSIONS)
    async with open_server(whatsapp, tmp_path) as process:
        await active(devices)
        workers = workers_of(process)
        assert len(workers) == 3
        began = trio.current_time()
        process.send_signal(signal.SIGTERM)
        with trio.fail_after(GRACE):
            assert await process.wait() == 0
        print(f"\nexit 0 after {trio.current_time() - began:.2f} s with {SESSIONS} sessions")
        await gone(workers)
    assert not any(device.removed or device.connection for device in devices)
    async with open_whatsapp_engine(whatsapp, tmp_path):
        await active(devices)
    assert {device.logins for device in devices} == {3}


async def test_kill_9_of_the_server(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    devices = await link_all(whatsapp, tmp_path, 3)
    bob = whatsapp.phone(BOB)
    sent: list[str] = []
    for _ in range(KILLS):
        async with open_server(whatsapp, tmp_path) as process:
            await active(devices)
            workers = workers_of(process)
            sent += [bob.send_text(devices[0].phone, "under fire").id for _ in range(30)]
            await trio.sleep(0.1)
            process.kill()
            await process.wait()
            assert await gone(workers) < 5.0
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        await active(devices)
        with trio.fail_after(PATIENCE):
            while devices[0].undelivered:
                await trio.sleep(0.02)
        last = bob.send_text(devices[0].phone, "the last one").id
        with trio.fail_after(PATIENCE):
            session = next(
                s.id for s in await engine.list_sessions() if s.credentials["account"] == devices[0].phone.number
            )
            while last not in (stored := [event.body["message_id"] for event in await events_of(engine, session)]):
                await trio.sleep(0.02)
    assert len(stored) == len(set(stored)), "a message was stored twice"
    lost = len(set(sent) - set(stored))
    print(f"\n{KILLS} kills: {lost} of {len(sent)} messages lost between the library and the worker's file")
    assert lost <= 5 * KILLS, (
        "at most the few that the library was handing over; one on a machine with nothing else to do"
    )


async def test_a_signal_to_the_workers_alone_changes_nothing(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    devices = await link_all(whatsapp, tmp_path, 1)
    async with open_server(whatsapp, tmp_path) as process:
        await active(devices)
        workers = workers_of(process)
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in workers:
                os.kill(pid, number)
        sent = whatsapp.phone(BOB).send_text(devices[0].phone, "still there?")
        with trio.fail_after(PATIENCE):
            await sent.delivered()
        assert workers_of(process) == workers
        assert devices[0].logins == 2
