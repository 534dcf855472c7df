"""Worker processes die, hang and crash; sessions come back, and nothing else notices."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from rookery import Engine, SessionStatus
from rookery.errors import ProviderError
from rookery.provider.capabilities import WorkerInfo
from rookery_simulator.whatsapp import LinkedDevice, WhatsAppSimulator
from rookery_whatsapp import WhatsApp
from rookery_whatsapp.link.link import WhatsAppLink
from support.whatsapp_engine import BOB, PATIENCE, QUICK, events_of, link, open_whatsapp_engine, reach, trusting

SESSIONS = 10
BACK_WITHIN = 10.0  # seconds
CRASHING_WORKER = Path(__file__).parents[2] / "support/crashing_worker.py"


def provider_of(engine: Engine) -> WhatsApp:
    provider = engine.providers["whatsapp"]
    assert isinstance(provider, WhatsApp)
    return provider


def worker_of(engine: Engine, session: str) -> WorkerInfo:
    return next(worker for worker in provider_of(engine).workers() if session in worker.sessions)


async def link_many(engine: Engine, simulator: WhatsAppSimulator, count: int) -> dict[str, LinkedDevice]:
    devices: dict[str, LinkedDevice] = {}

    async def one(number: int) -> None:
        _, devices[f"s{number}"] = await link(engine, simulator, f"s{number}", f"49151000002{number:02}")

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    return devices


def kill(worker: WorkerInfo) -> None:
    os.kill(worker.pid, signal.SIGKILL)


def freeze(worker: WorkerInfo) -> None:
    os.kill(worker.pid, signal.SIGSTOP)


def crash(worker: WorkerInfo) -> None:
    os.kill(worker.pid, signal.SIGUSR1)


async def test_a_worker_with_ten_sessions_ends_under_traffic(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """Killed, frozen, and by the library's own crash, one after the other."""
    command = trusting(str(CRASHING_WORKER))
    async with open_whatsapp_engine(whatsapp, tmp_path, worker_command=command) as engine:
        devices = await link_many(engine, whatsapp, SESSIONS + 1)
        for harm in (kill, freeze, crash):
            await end_one_under_traffic(engine, whatsapp, devices, harm)
            provider_of(engine).pool._deaths.clear()  # as if it had been a minute ago


async def end_one_under_traffic(
    engine: Engine, simulator: WhatsAppSimulator, devices: dict[str, LinkedDevice], harm: Callable[[WorkerInfo], None]
) -> None:
    """Do it to the worker with ten sessions; the eleventh session, in another worker, notices nothing."""
    bob = simulator.phone(BOB)
    sent: dict[str, list[str]] = {id: [] for id in devices}
    logins = {id: device.logins for id, device in devices.items()}
    victim, bystander = sorted(provider_of(engine).workers(), key=lambda worker: -len(worker.sessions))
    assert len(victim.sessions) == SESSIONS
    (other,) = bystander.sessions
    stop = trio.Event()
    slowest_call = 0.0

    async def write() -> None:
        while not stop.is_set():
            for id, device in devices.items():
                sent[id].append(bob.send_text(device.phone, "traffic").id)
            await trio.sleep(0.1)

    async def use_the_engine() -> None:
        nonlocal slowest_call
        while not stop.is_set():
            began = trio.current_time()
            assert (await engine.get_session(other)).health.status is SessionStatus.CONNECTED
            slowest_call = max(slowest_call, trio.current_time() - began)
            await trio.sleep(0.02)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        nursery.start_soon(use_the_engine)
        await trio.sleep(0.3)
        began = trio.current_time()
        harm(victim)
        with trio.fail_after(PATIENCE):
            for id in victim.sessions:
                while devices[id].logins == logins[id] or not devices[id].is_active:
                    await trio.sleep(0.02)
        for id in devices:
            await reach(engine, id, SessionStatus.CONNECTED)
        took = trio.current_time() - began
        stop.set()
    assert worker_of(engine, other).pid == bystander.pid
    assert devices[other].logins == logins[other]
    with pytest.raises(ProcessLookupError):
        os.kill(victim.pid, 0)
    lost = 0
    with trio.fail_after(PATIENCE):
        for id, device in devices.items():
            sent[id].append(bob.send_text(device.phone, "the last one").id)
            while device.undelivered:
                await trio.sleep(0.02)
            while sent[id][-1] not in (stored := [event.body["message_id"] for event in await events_of(engine, id)]):
                await trio.sleep(0.02)
            assert len(stored) == len(set(stored)), "a message was stored twice"
            lost += len(set(sent[id]) - set(stored))
    print(f"\n{harm.__name__}: back after {took:.1f} s, slowest call {slowest_call:.3f} s, {lost} lost in the library")
    assert lost <= SESSIONS, "at most the one message of each that the library was handing over"
    assert took < BACK_WITHIN


async def test_a_worker_is_replaced_on_request_and_ends_with_its_engine(
    whatsapp: WhatsAppSimulator, tmp_path: Path
) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path, sessions_per_worker=1) as engine:
        devices = await link_many(engine, whatsapp, 2)
        device, before, neighbour = devices["s0"], worker_of(engine, "s0"), worker_of(engine, "s1")
        assert before.pid != neighbour.pid
        await provider_of(engine).replace_worker(before.id, "memory")
        with trio.fail_after(PATIENCE):
            while device.logins < 2 or not device.is_active:
                await trio.sleep(0.02)
        await reach(engine, "s0", SessionStatus.CONNECTED)
        after = worker_of(engine, "s0")
        assert before.pid != after.pid
        assert worker_of(engine, "s1") == neighbour
        assert not device.removed
    for worker in (before, after, neighbour):
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)


async def test_a_session_whose_calls_hang_leaves_room_for_others(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    async with open_whatsapp_engine(whatsapp, tmp_path) as engine:
        _, silent = await link(engine, whatsapp)
        await link(engine, whatsapp, "two", "4915100000009")
        silent.silence()
        hanging = engine.running_here()["one"].link
        assert isinstance(hanging, WhatsAppLink)
        refused = 0

        async def probe() -> None:
            nonlocal refused
            try:
                await hanging.probe()
            except ProviderError as error:
                refused += "too many calls" in str(error)

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(probe)
            with trio.fail_after(PATIENCE):
                await engine.send("two", to=whatsapp.phone(BOB).number, text="unhindered")
            assert refused > 50
            nursery.cancel_scope.cancel()


ROUNDS = int(os.environ.get("ROOKERY_TEST_STORM_ROUNDS", "2"))
STORM = 50


@pytest.mark.slow
async def test_fifty_starts_and_stops_at_once(whatsapp: WhatsAppSimulator, tmp_path: Path) -> None:
    """Twenty rounds in the long form. Each round ends with every session in the state that was asked for."""
    async with open_whatsapp_engine(whatsapp, tmp_path, settings=QUICK) as engine:
        devices = await link_many(engine, whatsapp, STORM)
        for _ in range(ROUNDS):
            async with trio.open_nursery() as nursery:
                for id in devices:
                    nursery.start_soon(engine.stop, id)
            async with trio.open_nursery() as nursery:
                for number, id in enumerate(devices):
                    nursery.start_soon(engine.start if number % 5 else engine.stop, id)
            with trio.fail_after(2 * PATIENCE):
                for number, (id, device) in enumerate(devices.items()):
                    if number % 5:
                        await reach(engine, id, SessionStatus.CONNECTED)
                    else:
                        await reach(engine, id, SessionStatus.DISCONNECTED)
                        await device.wait_gone()
        assert not any(device.removed for device in devices.values())
        print(f"\n{ROUNDS} rounds of {STORM}: {provider_of(engine).pool.crashes} workers ended by themselves")
