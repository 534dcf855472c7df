"""A thousand readers of live events: `python bench/streams.py [--readers 1000] [--rate 5000] [--seconds 10]`.

One process stores events of made-up sessions at a fixed rate and serves them; another reads with bare sockets. Two ways of
reading: each reader follows one session of its own (what programs do), or every reader wants everything (the worst case:
rate times readers frames a second). HTTP/1.0, so that the bytes of a stream are the same whatever the chunks.

No gaps: each reader's frames are counted, its ids must grow, and all who asked for the same must have the same checksum.
Lag is from the time at which an event was handed to the store to the moment at which a reader has its bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from typing import Any

from lab.report import save

SENT = re.compile(rb'"sent":([0-9.]+)')
ID = re.compile(rb"\nid: ([0-9]+)\n")
BATCH = 0.02
"""Seconds between two batches of events."""
AT_ONCE = 500
"""Batches on their way into the store."""


class Reader(asyncio.Protocol):
    """One reader: counts frames as the bytes come and keeps nothing but the unfinished end."""

    def __init__(self, path: str, sampled: bool, pause: float) -> None:
        self._path = path
        self._sampled = sampled
        self._pause = pause
        self._tail = b"\n"
        self._started = False
        self.count = 0
        self.checksum = 0
        self.last = 0
        self.grows = True
        self.lags: list[float] = []
        self.bytes = 0
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(f"GET {self._path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if not self._started:
            head, found, data = data.partition(b"\r\n\r\n")
            assert found, "a head in two pieces"
            assert b" 200 " in head, head
            self._started = True
        if b": nothing new\n\n" in data or b"retry: 2000\n\n" in data:
            data = data.replace(b": nothing new\n\n", b"").replace(b"retry: 2000\n\n", b"")
        self.checksum = zlib.crc32(data, self.checksum)
        text = self._tail + data
        self._tail = text[-24:] if len(text) > 24 else text
        self.count += text.count(b"\nid: ") - self._tail.count(b"\nid: ")
        if self._sampled:
            for found in ID.findall(text[: -24 or None]):
                self.grows &= int(found) > self.last
                self.last = max(self.last, int(found))
            if sent := SENT.findall(data):
                self.lags.append(time.time() - float(sent[-1]))
        if self._pause:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(self._pause, self._transport.resume_reading)

    def finish(self) -> int:
        """All frames, with what is left at the end."""
        return self.count + self._tail.count(b"\nid: ")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


async def read(url: str, options: argparse.Namespace, process: asyncio.subprocess.Process) -> dict[str, Any]:
    host, port = url.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    readers: list[Reader] = []
    connecting = time.monotonic()
    for number in range(options.readers):
        session = f"session={name_of(number % options.sessions)}&" if options.mode == "own" else ""
        slow = number < options.slow
        path = f"/v1/events/stream?{session}after=0"
        _, reader = await loop.create_connection(
            lambda path=path, slow=slow, number=number: Reader(path, number % 20 == 0, 0.05 if slow else 0.0),  # type: ignore[misc]
            host,
            int(port),
        )
        readers.append(reader)
    while not all(reader.bytes for reader in readers):
        await asyncio.sleep(0.05)
    connected = time.monotonic() - connecting
    assert process.stdin is not None
    assert process.stdout is not None
    reading = cpu_seconds()
    process.stdin.write(b"go\n")
    written = json.loads(await process.stdout.readline())
    done_writing = time.monotonic()
    share = written["by_session"]
    wanted = [
        written["count"] if options.mode == "all" else share[name_of(number % options.sessions)]
        for number in range(options.readers)
    ]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.patience):
            while any(reader.finish() < want for reader, want in zip(readers, wanted, strict=True)):
                await asyncio.sleep(0.05)
    caught_up = time.monotonic() - done_writing
    process.stdin.write(b"end\n")
    server = json.loads(await process.stdout.readline())
    missing = sum(want - reader.finish() for reader, want in zip(readers, wanted, strict=True))
    alike: dict[str, set[int]] = {}
    for number, reader in enumerate(readers):
        alike.setdefault("all" if options.mode == "all" else name_of(number % options.sessions), set()).add(
            reader.checksum
        )
    lags = sorted(lag for reader in readers[options.slow :] for lag in reader.lags)
    return {
        "mode": options.mode,
        "readers": options.readers,
        "slow": options.slow,
        "events": written["count"],
        "rate": written["count"] / written["seconds"],
        "frames": sum(reader.finish() for reader in readers),
        "frames_per_second": sum(reader.finish() for reader in readers) / (written["seconds"] + caught_up),
        "missing": missing,
        "ordered": all(reader.grows for reader in readers),
        "alike": all(len(sums) == 1 for sums in alike.values()),
        "lost": sum(reader.lost for reader in readers),
        "lag_median": statistics.median(lags) if lags else 0.0,
        "lag_99": lags[int(len(lags) * 0.99)] if lags else 0.0,
        "lag_max": lags[-1] if lags else 0.0,
        "caught_up": caught_up,
        "connected": connected,
        "store_reads": server["reads"],
        "server_mib": server["peak_mib"],
        "server_mib_before": written["mib_before"],
        "server_cpu": server["cpu"] - written["cpu_before"],
        "reader_cpu": cpu_seconds() - reading,
    }


def name_of(number: int) -> str:
    return f"session-{number:04}"


# The server: run as a process of its own.


def serve(options: argparse.Namespace) -> None:
    from contextlib import asynccontextmanager
    from functools import partial

    import trio

    from rookery import open_engine
    from rookery.model.event import NewEvent
    from rookery_http.config.settings import ApiSettings
    from rookery_http.serve import serve_api

    class Feed:
        """A platform without a network."""

        platform = "feed"

        def __init__(self) -> None:
            self.inboxes: dict[str, Any] = {}

        @asynccontextmanager
        async def running(self) -> Any:
            yield

        def check(self, credentials: Any, settings: Any) -> None:
            pass

        @asynccontextmanager
        async def open_link(self, session: Any, inbox: Any) -> Any:
            self.inboxes[session.id] = inbox
            yield Link()

    class Link:
        async def run(self) -> None:
            await trio.sleep_forever()

        async def send(self, message: Any) -> Any:
            raise NotImplementedError

    async def main() -> None:
        feed = Feed()
        stop = trio.Event()
        names = [name_of(number) for number in range(options.sessions)]
        async with open_engine(store=f"sqlite:///{options.directory}/streams.db", providers=[feed]) as engine:
            reads = 0
            read_events = engine.store.read_events

            async def counted(query: Any) -> Any:
                nonlocal reads
                reads += 1
                return await read_events(query)

            engine.store.read_events = counted  # type: ignore[method-assign]
            for name in names:
                await engine.create_session(id=name, platform="feed", credentials={})
            while len(feed.inboxes) < len(names):
                await trio.sleep(0.05)
            async with trio.open_nursery() as nursery:
                api = ApiSettings(port=0)
                (address, *_) = await nursery.start(partial(serve_api, engine, api, stop=stop))
                print(address.url, flush=True)
                await trio.to_thread.run_sync(sys.stdin.readline)
                before = resident_mib()
                cpu_before = cpu_seconds()
                started = time.monotonic()
                by_session = dict.fromkeys(names, 0)
                count = 0
                text = "x" * options.text

                async def write(name: str, amount: int) -> None:
                    nonlocal count
                    new = []
                    for _ in range(amount):
                        count += 1
                        by_session[name] += 1
                        body = b'{"text":"%b","sent":%.6f}' % (text.encode(), time.time())
                        new.append(NewEvent(str(count), "message", time.time(), "7", "9", body, b"null"))
                    await feed.inboxes[name].commit(new, None)

                # Sessions do not wait for one another: each batch has its own way into the store.
                due = 0.0
                turn = 0
                limit = trio.CapacityLimiter(AT_ONCE)

                async def write_soon(name: str, amount: int) -> None:
                    async with limit:
                        await write(name, amount)

                async with trio.open_nursery() as writers:
                    next_at = time.monotonic()
                    while next_at - started < options.seconds:
                        due += options.rate * BATCH
                        amount, due = int(due), due - int(due)
                        each = max(1, amount // 20)
                        while amount > 0:
                            writers.start_soon(write_soon, names[turn % len(names)], min(each, amount))
                            amount -= each
                            turn += 1
                        next_at += BATCH
                        await trio.sleep(max(0.0, next_at - time.monotonic()))
                seconds = time.monotonic() - started
                report = {
                    "count": count,
                    "seconds": seconds,
                    "by_session": by_session,
                    "mib_before": before,
                    "cpu_before": cpu_before,
                }
                print(json.dumps(report), flush=True)
                await trio.to_thread.run_sync(sys.stdin.readline)
                usage = resource.getrusage(resource.RUSAGE_SELF)
                end = {"peak_mib": usage.ru_maxrss / 1024, "cpu": cpu_seconds(), "reads": reads}
                print(json.dumps(end), flush=True)
                stop.set()

    trio.run(main)


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_mib() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 2**20


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """One measurement with fresh processes."""
    with tempfile.TemporaryDirectory(prefix="rookery-streams-") as directory:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, "--serve", "--directory", directory),
            *("--sessions", str(options.sessions), "--rate", str(options.rate), "--seconds", str(options.seconds)),
            *("--text", str(options.text)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=1 << 22,
        )
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        figures = await read(url, options, process)
        await process.wait()
        return figures


def show(figures: dict[str, Any]) -> None:
    """Three lines for people."""
    if not figures["ordered"] or (figures["missing"] == 0 and not figures["alike"]):
        verdict = "WRONG ORDER OR CONTENT"
    elif figures["missing"]:
        verdict = f"{figures['missing']} frames MISSING after {figures['caught_up']:.0f} s"
    else:
        verdict = "no gaps"
    what = "its own session" if figures["mode"] == "own" else "everything"
    print(
        f"{figures['readers']} readers ({figures['slow']} slow), each {what}: {figures['rate']:.0f} events/s into the log, "
        f"{figures['frames']} frames to readers, {figures['frames_per_second']:.0f}/s, {verdict}, "
        f"{figures['lost']} lost connections\n"
        f"  lag: median {figures['lag_median'] * 1000:.0f} ms, 99 % {figures['lag_99'] * 1000:.0f} ms, "
        f"most {figures['lag_max'] * 1000:.0f} ms; all had all {figures['caught_up']:.1f} s after the last event\n"
        f"  server: {figures['server_mib_before']:.0f} MiB with all readers connected, {figures['server_mib']:.0f} MiB at "
        f"most, {figures['server_cpu']:.1f} s CPU ({figures['server_cpu'] / figures['frames'] * 1e6:.1f} µs a frame; the "
        f"readers {figures['reader_cpu']:.1f} s), {figures['store_reads']} readings of the log"
    )


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=20, help="readers that pause after every read")
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=5000.0, help="events a second")
    parser.add_argument("--rate-all", type=float, default=300.0, help="the same where every reader wants everything")
    parser.add_argument("--save", action="store_true", help="keep the figures in bench/results")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--patience", type=float, default=120.0, help="seconds for the readers to catch up")
    parser.add_argument("--text", type=int, default=20, help="characters of a message")
    parser.add_argument("--mode", choices=("own", "all", "both"), default="both")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = options_of()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    if options.serve:
        serve(options)
        return
    found = {}
    wanted = options.rate
    for mode in ("own", "all") if options.mode == "both" else (options.mode,):
        options.mode = mode
        options.rate = wanted if mode == "own" else min(wanted, options.rate_all)
        found[mode] = asyncio.run(run(options))
        show(found[mode])
    if options.save:
        save("streams", {"title": f"{options.readers:,} readers of live events", "modes": found})


if __name__ == "__main__":
    main()
