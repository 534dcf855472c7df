"""The bell by which a thread wakes trio."""

from __future__ import annotations

import threading

import trio

from rookery.store.sqlite.database.doorbell import Doorbell


async def test_every_ring_is_answered_before_the_end() -> None:
    heard: list[str] = []
    closed = trio.Event()
    asked: list[int] = []

    def answer() -> None:
        heard.append(f"{len(asked)}")
        asked.clear()

    bell = Doorbell(answer, closed.set)

    def thread() -> None:
        for number in range(1000):
            asked.append(number)
            bell.ring()
        bell.close()

    threading.Thread(target=thread).start()
    with trio.fail_after(30):
        await closed.wait()
    assert asked == []  # the answer to the last ring came after it
    assert heard
    assert len(heard) <= 1000


def test_a_ring_after_the_run_is_over_does_nothing() -> None:
    heard: list[str] = []

    async def main() -> Doorbell:
        return Doorbell(lambda: heard.append("answer"), lambda: heard.append("closed"))

    bell = trio.run(main)
    bell.ring()
    bell.close()
    assert heard == []
