"""The pace of sends: no interval ever holds more sends than the limits allow, in whatever order they are booked."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.provider.pacer import Pacer
from rookery_telegram import Rates

TOLERANCE = 1e-4


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def most_within(times: list[float], seconds: float) -> int:
    times = sorted(times)
    return max((sum(start <= at < start + seconds - TOLERANCE for at in times) for start in times), default=0)


BOOKINGS = st.lists(st.tuples(st.sampled_from("aaabcdefg"), st.floats(0, 0.7)), max_size=120)


@settings(max_examples=60, deadline=None)
@given(BOOKINGS)
def test_every_window_is_kept(bookings: list[tuple[str, float]]) -> None:
    clock = Clock()
    limits = {"a": 5}
    pacer = Pacer(
        overall=4, per_chat=lambda chat: 1.0, burst=1, per_minute=lambda chat: limits.get(chat, 0), clock=clock
    )
    turns: dict[str, list[float]] = defaultdict(list)
    for chat, pause in bookings:
        clock.now += pause
        promised = pacer.ready_in(chat)
        wait = pacer.book(chat)
        assert wait == promised
        assert wait >= 0
        turns[chat].append(clock.now + wait)
    assert most_within([at for times in turns.values() for at in times], 1.0) <= 4
    for chat, times in turns.items():
        assert times == sorted(times)
        assert most_within(times, 1.0) <= 1
        assert most_within(times, 60.0) <= limits.get(chat, 10_000)


def test_a_slow_chat_does_not_push_back_the_others() -> None:
    pacer = Pacer(overall=10, per_chat=lambda chat: 0.1 if chat == "slow" else 0, burst=1, clock=Clock())
    slow = [pacer.book("slow") for _ in range(5)]
    assert slow == pytest.approx([0, 10, 20, 30, 40])
    others = [pacer.book(f"chat {number}") for number in range(19)]
    assert others == pytest.approx([0.0] * 9 + [1.0] * 10)


def test_a_burst_and_what_follows() -> None:
    clock = Clock()
    pacer = Pacer(overall=0, per_chat=lambda chat: 1.0, burst=3, clock=clock)
    assert [pacer.book("a") for _ in range(5)] == pytest.approx([0, 0, 0, 1, 2])
    clock.now += 100
    assert [pacer.book("a") for _ in range(4)] == pytest.approx([0, 0, 0, 1])


def test_limits_that_are_off() -> None:
    pacer = Rates(overall=0, per_chat=0, per_group=0).pacer(clock=Clock())
    assert {pacer.book(chat) for chat in ("1", "-1", "@x") for _ in range(100)} == {0.0}


@pytest.mark.parametrize(
    ("rates", "chat", "expected"),
    [
        (Rates(), "-5", 20),
        (Rates(), "@channel", 20),
        (Rates(), "5", 0),
        (Rates(per_group=0.001), "-5", 1),
        (Rates(per_group=0), "-5", 0),
        (Rates(per_group=2), "-5", 0),
        (Rates(per_group=2, per_chat=0), "-5", 120),
    ],
)
def test_messages_a_minute(rates: Rates, chat: str, expected: int) -> None:
    assert rates.a_minute(chat) == expected
