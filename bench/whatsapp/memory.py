"""Memory of WhatsApp sessions: the real library in its workers, against the simulator in a process of its own.

    python bench/whatsapp/memory.py [--sessions 30]

Prints unique memory (private pages) of the engine and the workers per session, for 10 sessions a worker and for 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import trio

from rookery import EngineSettings, SessionStatus, open_engine
from rookery_simulator.whatsapp import open_whatsapp_simulator
from rookery_whatsapp import WhatsApp

MIB = 1024 * 1024
SETTLING = 5.0  # seconds after the last session is connected
TEXTS = 20  # that each session receives before it is measured
LIMIT = 10.0  # MiB for one session at 10 a worker


def unique(pid: int | str) -> float:
    """MiB that only this process has."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty"))) / 1024


async def measure(sessions: int, per_worker: int) -> dict[str, Any]:
    """Link, connect, receive, and look."""
    with tempfile.TemporaryDirectory() as directory:
        async with open_whatsapp_simulator() as simulator:
            provider = WhatsApp(
                data_dir=directory,
                sessions_per_worker=per_worker,
                worker_command=[
                    sys.executable,
                    "-m",
                    "rookery_simulator.whatsapp.trusting_worker",
                    "rookery_whatsapp.worker",
                ],
                worker_environment=simulator.environment(),
            )
            before = unique("self")
            async with open_engine(
                providers=[provider], store=f"sqlite:///{directory}/rookery.db", settings=EngineSettings()
            ) as engine:

                async def link(number: int) -> None:
                    phone = simulator.phone(f"49151{number:08}")
                    await engine.create_session(id=f"s{number}", platform="whatsapp")
                    while (shown := await engine.pairing(f"s{number}")) is None:
                        await trio.sleep(0.02)
                    await phone.scan(shown.code)
                    await engine.wait_status(f"s{number}", SessionStatus.CONNECTED)

                async with trio.open_nursery() as nursery:
                    for number in range(sessions):
                        nursery.start_soon(link, number)
                friend = simulator.phone("4915299999999")
                for _ in range(TEXTS):
                    for number in range(sessions):
                        friend.send_text(simulator.phone(f"49151{number:08}"), "hello")
                await trio.sleep(SETTLING)
                workers = [unique(worker.pid) for worker in provider.workers()]
                engine_share = unique("self") - before
    return {
        "per worker": per_worker,
        "workers": len(workers),
        "workers' MiB": sum(workers),
        "a worker's MiB": sum(workers) / len(workers),
        "MiB a session": sum(workers) / sessions,
        "with engine and simulator": (sum(workers) + max(0.0, engine_share)) / sessions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=30)
    arguments = parser.parse_args()
    rows = [trio.run(measure, arguments.sessions, per_worker) for per_worker in (10, 1)]
    print(f"{arguments.sessions} sessions connected, {TEXTS} messages received by each; unique memory")
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{value:.1f}" if isinstance(value, float) else f"{value}" for value in row.values()))
    verdict = "holds" if rows[0]["MiB a session"] <= LIMIT else "DOES NOT HOLD"
    print(f"the limit of {LIMIT:g} MiB a session {verdict}")


if __name__ == "__main__":
    main()
