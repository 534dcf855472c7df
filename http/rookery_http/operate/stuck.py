"""SIGUSR1 logs where each task waits, one line per task, and the code that blocks the event loop, if any."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import trio

from .task_tree import lines, place, task_tree

PATIENCE = 2.0
"""Seconds within which the event loop answers, unless something blocks it."""

listing = logging.getLogger("rookery.api.tasks")


@contextmanager
def answering_signals(number: signal.Signals = signal.SIGUSR1, *, patience: float = PATIENCE) -> Iterator[None]:
    """Inside the block, the signal writes the tree of tasks to the log. Enter it on the main thread, in a trio run.

    A separate thread waits for the signal's handler, so that it can answer even when no task can run.
    """
    token = trio.lowlevel.current_trio_token()
    questions: SimpleQueue[bool] = SimpleQueue()  # safe to put into from a signal handler
    asked = threading.main_thread().ident or 0

    def answer() -> None:
        while questions.get():
            answered = threading.Event()

            def tell(answered: threading.Event = answered) -> None:
                answered.set()
                _tell_tasks()

            try:
                token.run_sync_soon(tell)
            except trio.RunFinishedError:
                return
            if not answered.wait(patience):
                _tell_what_blocks(asked, patience)

    thread = threading.Thread(target=answer, name="answers to signals", daemon=True)
    thread.start()
    before = signal.signal(number, lambda *_: questions.put(True))
    try:
        yield
    finally:
        signal.signal(number, signal.SIG_DFL if before is None else before)
        questions.put(False)


def _tell_tasks() -> None:
    tree = task_tree()
    listing.warning("the tree of tasks", extra={"tasks": len(tree)})
    for line in lines(tree):
        listing.warning(line)


def _tell_what_blocks(thread: int, seconds: float) -> None:
    """Log the frames that block the loop, outermost first, as in a traceback."""
    frame = sys._current_frames().get(thread)
    stack = []
    while frame is not None:
        stack.append(f"{place(frame.f_code.co_filename, frame.f_lineno)} {frame.f_code.co_qualname}")
        frame = frame.f_back
    listing.error("the event loop is held up: no task can run", extra={"seconds": seconds, "held_up_by": stack[::-1]})
