"""The HTTP API beside a bare quart-trio application on hypercorn: requests a second of one core, in interleaved rounds.

    python bench/api.py [--rounds 3] [--seconds 4] [--save]

Each server has core 0, the load (wrk, 16 connections that stay open) has the others. A rate is requests per second of CPU
time of the server, which a busy machine changes little; the rate by the clock is shown too. The bare application answers a
constant document and stores nothing; Rookery looks its session up, checks the caller, and stores each message durably
before it answers. What counts is the ratio within one run.

The bare application runs on the connection that hypercorn publishes, with its settings as they come and without a log of
requests; both keep connections open. `GET /v1/sessions?limit=100` is what an open dashboard asks most often. The pipelined
client sends 16 requests at a time on each connection and then reads their answers.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
from lab.processes import CLIENTS, Simulator, cpu_seconds
from lab.report import save, spread, table

LISTENS = re.compile(r"listens on (\S+)")
POST = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"to": "7", "type": "text", "text": "hello"}'
"""
LATER = time.strftime('"send_at": "%Y-%m-%dT%H:%M:%SZ"', time.gmtime(time.time() + 86_400))
EACH = 100
SINGLE = f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local n = 0
request = function()
  n = n % {EACH} + 1
  return wrk.format(nil, nil, nil, '{{"to": "' .. n .. '", "type": "text", "text": "hello", {LATER}}}')
end
"""
BATCH = f"""wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local parts = {{}}
for n = 1, {EACH} do parts[n] = '{{"to": "' .. n .. '", "type": "text", "text": "hello", {LATER}}}' end
wrk.body = '{{"messages": [' .. table.concat(parts, ",") .. ']}}'
"""
PIPELINED = """init = function(args)
  local requests = {}
  for n = 1, 16 do requests[n] = wrk.format("GET") end
  all = table.concat(requests)
end
request = function() return all end
"""
BATCH_TARGET = 10.0


class Way(NamedTuple):
    """One kind of request: its path, the script of its load, and the ratio that is wanted, if any."""

    path: str
    script: str | None
    target: float | None


WAYS = {
    "GET /v1/sessions/{id}": Way("/v1/sessions/shop", None, 1.0),
    "POST .../messages?wait=0": Way("/v1/sessions/shop/messages?wait=0", POST, 0.8),
    "GET /v1/sessions?limit=100": Way("/v1/sessions?limit=100", None, None),
    "GET /v1/sessions/{id}, pipelined": Way("/v1/sessions/shop", PIPELINED, None),
}


@contextmanager
def server(command: list[str], environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """A server on core 0: its address and its process."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        found = LISTENS.search(process.stdout.readline())
        if found is None:
            raise SystemExit(f"{command} did not start")
        yield found[1], process.pid
    finally:
        process.terminate()
        process.wait()


def rate(url: str, pid: int, seconds: float, script: Path | None = None) -> tuple[float, float]:
    """Requests per second of CPU time, and by the clock. Raises SystemExit when answers were errors."""
    before = cpu_seconds(pid)
    others = ",".join(map(str, range(1, os.cpu_count() or 2))) or "0"
    command = [
        "taskset",
        "-c",
        others,
        "wrk",
        "-t1",
        "-c16",
        f"-d{seconds:g}s",
        *(["-s", str(script)] if script else []),
    ]
    told = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told:
        raise SystemExit(f"{url}:\n{told}")
    count = int(re.search(r"([0-9]+) requests in", told)[1])  # type: ignore[index]
    return count / (cpu_seconds(pid) - before), float(re.search(r"Requests/sec:\s+([0-9.]+)", told)[1])  # type: ignore[index]


def connect(url: str, token: str) -> None:
    """A session that is connected."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        document = {"id": "shop", "platform": "telegram", "credentials": {"token": token}}
        client.post("/v1/sessions", json=document).raise_for_status()
        while client.get("/v1/sessions/shop").json()["status"] != "CONNECTED":
            pass


def storing(served: tuple[str, int], directory: Path, options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Messages stored per second of CPU time, one by one and in batches. None is sent: their time is far away.
    Both write to the same chats."""
    url, pid = served
    single = directory / "later.lua"
    single.write_text(SINGLE)
    batch = directory / "batch.lua"
    batch.write_text(BATCH)
    found: tuple[list[float], list[float]] = ([], [])
    for round in range(options.rounds + 1):
        for rates, path, body, each in (
            (found[0], "/messages?wait=0", single, 1),
            (found[1], "/messages/batch", batch, EACH),
        ):
            measured, _ = rate(f"{url}/v1/sessions/shop{path}", pid, options.seconds if round else 1, body)
            if round:
                rates.append(measured * each)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is needed")
    found: dict[str, dict[str, list[tuple[float, float]]]] = {name: {"bare": [], "rookery": []} for name in WAYS}
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        simulator = stack.enter_context(Simulator())
        environment = {
            "ROOKERY_PORT": "0",
            "ROOKERY_DATA_DIR": str(directory / "data"),
            "ROOKERY_TELEGRAM_API_URL": simulator.url,
            "ROOKERY_MAX_PENDING_SENDS": "10000000",
            "LOG_LEVEL": "WARNING",
        }
        servers = {
            "bare": stack.enter_context(server([sys.executable, str(CLIENTS / "bare_quart.py")], {})),
            "rookery": stack.enter_context(server([sys.executable, "-m", "rookery_http", "serve"], environment)),
        }
        connect(servers["rookery"][0], simulator.new_bots(1)[0])
        for name, way in WAYS.items():
            script = directory / "way.lua"
            script.write_text(way.script or "")
            for round in range(options.rounds + 1):
                for who, (url, pid) in servers.items():
                    measured = rate(
                        url + way.path, pid, options.seconds if round else 1, script if way.script else None
                    )
                    if round:  # the first one warms up
                        found[name][who].append(measured)
        batches = storing(servers["rookery"], directory, options)
    rows, results = [], []
    for name, way in WAYS.items():
        bare, own = ([rate for rate, _ in found[name][who]] for who in ("bare", "rookery"))
        clocks = [statistics.median(rate for _, rate in found[name][who]) for who in ("bare", "rookery")]
        ratio = statistics.median(mine / theirs for mine, theirs in zip(own, bare, strict=True))
        target = "" if way.target is None else f"{way.target:.1f}"
        rows.append([name, spread(bare), spread(own), f"{ratio:.2f}", target, "{:,.0f} / {:,.0f}".format(*clocks)])
        results.append({"call": name, "bare": bare, "rookery": own, "ratio": ratio, "target": way.target})
    table(
        "Requests per second of CPU time, 16 connections",
        ["call", "bare quart-trio", "Rookery", "ratio", "target", "by the clock"],
        rows,
    )
    single, batch = batches
    table(
        f"Messages stored per second of CPU time, to be sent later: in batches of {EACH} and one by one",
        ["one by one", "in batches", "ratio", "target"],
        [
            [
                spread(single),
                spread(batch),
                f"{statistics.median(batch) / statistics.median(single):.1f}",
                f"{BATCH_TARGET:.0f}",
            ]
        ],
    )
    if options.save:
        save("api", {"calls": results, "batches": {"single": single, "batch": batch, "target": BATCH_TARGET}})


if __name__ == "__main__":
    main()
