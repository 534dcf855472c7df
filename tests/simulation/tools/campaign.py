"""Many lives, in several processes, and what they amounted to."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import msgspec

from ..life import live
from .mutants import Mutant

FAILED = Path(__file__).parents[1] / "failed_seeds.txt"
CHUNK = 20
"""Lives that a process does at a time."""
CHUNKS = 25
"""After about so many of them a process ends and a new one goes on: the tasks of killed engines are kept for ever, for
they must never run again, and take 2.7 MiB a life."""


class Summary(msgspec.Struct):
    """What several lives amounted to."""

    lives: int = 0
    cpu: float = 0.0  # seconds
    failed: dict[int, list[str]] = {}
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    arrows: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    meetings: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)

    def add(self, other: Summary) -> None:
        """Take in what other lives amounted to."""
        self.lives += other.lives
        self.cpu += other.cpu
        self.failed |= other.failed
        self.counts.update(other.counts)
        self.arrows.update(other.arrows)
        self.meetings.update(other.meetings)

    def save(self, file: Path) -> None:
        """Keep it in a file, from which a run that was interrupted goes on."""
        text = msgspec.json.encode(
            {
                "lives": self.lives,
                "cpu": self.cpu,
                "failed": {str(seed): what for seed, what in self.failed.items()},
                "counts": self.counts,
                "arrows": [[*key, times] for key, times in self.arrows.items()],
                "meetings": [[*key, times] for key, times in self.meetings.items()],
            }
        )
        fresh = file.with_suffix(".new")
        fresh.write_bytes(text)
        fresh.replace(file)

    @staticmethod
    def load(file: Path) -> Summary:
        """What `save` kept; an empty one when there is no file."""
        if not file.exists():
            return Summary()
        kept = msgspec.json.decode(file.read_bytes())
        return Summary(
            kept["lives"],
            kept["cpu"],
            {int(seed): what for seed, what in kept["failed"].items()},
            Counter(kept["counts"]),
            Counter({(one, other): times for one, other, times in kept["arrows"]}),
            Counter({(one, other): times for one, other, times in kept["meetings"]}),
        )


def known_failures() -> list[int]:
    """Seeds that ever failed, in the order in which they were found."""
    lines = FAILED.read_text().splitlines() if FAILED.exists() else []
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def some(
    seeds: Sequence[int],
    until: float = float("inf"),
    *,
    on_file: bool = False,
    brief: bool = False,
    focus: Collection[str] = (),
) -> Summary:
    """These lives, here. `brief`: each ends with its first violation."""
    summary = Summary()
    automatic = gc.isenabled()
    gc.disable()  # a quarter of the time; a life leaves little behind
    try:
        for seed in seeds:
            if time.monotonic() >= until:
                break
            began = time.process_time()
            try:
                result = live(seed, on_file=on_file, brief=brief, focus=focus)
            except Exception as error:  # a life that cannot be lived is a finding too
                summary.failed[seed] = [f"{type(error).__name__}: {error} {error.__cause__ or ''}"]
            else:
                summary.counts.update(result.counts)
                summary.arrows.update(result.arrows)
                summary.meetings.update(result.meetings)
                if result.violations:
                    summary.failed[seed] = result.violations
            summary.lives += 1
            summary.cpu += time.process_time() - began
    finally:
        gc.collect()
        if automatic:
            gc.enable()
    return summary


def run(
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    seconds: float = float("inf"),
    on_file: bool = False,
    progress: Callable[[Summary], object] = lambda _: None,
    before: Summary | None = None,
) -> Summary:
    """All of them; `progress` is called now and then. `before`: what the first lives amounted to, in a run that was
    interrupted; they are not lived again."""
    total = Summary() if before is None else before
    seeds = seeds[total.lives :]
    until = time.monotonic() + seconds
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if jobs == 1 and len(chunks) <= CHUNKS:
        for chunk in chunks:
            total.add(some(chunk, until, on_file=on_file))
            progress(total)
        return total
    live_here = partial(some, until=until, on_file=on_file)
    for start in range(0, len(chunks), CHUNKS * jobs):  # `max_tasks_per_child` can hang (CPython's issue 115634)
        batch = chunks[start : start + CHUNKS * jobs]
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for chunk, done in zip(batch, pool.map(live_here, batch), strict=True):
                total.add(done)
                progress(total)
                if done.lives < len(chunk):
                    return total  # the time is over; what others have lived beyond the gap would be lived again
    return total


def hunt(mutant: Mutant, seeds: Iterable[int]) -> tuple[int, str] | None:
    """The first of these seeds that finds the planted fault, and what it found: without the fault, its life is fine."""
    for seed in seeds:
        with mutant.planted():
            found = some([seed], brief=True, focus=mutant.focus).failed
        if found and not some([seed], brief=True, focus=mutant.focus).failed:
            return seed, found[seed][0]
    return None
