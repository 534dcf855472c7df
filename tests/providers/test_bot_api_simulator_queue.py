"""The rules of getUpdates as pure decisions: no sockets, no clock but the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from rookery_simulator.bot_api import BotApiSimulator
from rookery_simulator.bot_api.settings import Settings
from rookery_simulator.bot_api.world.polls import TERMINATED_BY_POLL, WEBHOOK_IS_ACTIVE, Poll, PollDesk
from rookery_simulator.bot_api.world.update_queue import MAX_ANSWER_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, UpdateQueue

FIRST = 1_000_000
DAY = 86_400.0


def filled(count: int) -> UpdateQueue:
    queue = UpdateQueue(FIRST)
    for _ in range(count):
        queue.push("message", b"{}", 0.0, keep_for=DAY)
    return queue


def ids(queue: UpdateQueue, offset: int, limit: int = 100, now: float = 1.0) -> list[int]:
    return [update.id - FIRST for update in queue.take(offset, limit, now)]


@pytest.mark.parametrize(
    ("offset", "answered", "confirmed"),
    [
        pytest.param(0, [0, 1, 2, 3, 4], 0, id="none: from the head, confirms nothing"),
        pytest.param(FIRST, [0, 1, 2, 3, 4], 0, id="the head"),
        pytest.param(FIRST + 2, [2, 3, 4], 2, id="in between: confirms what is below on receipt"),
        pytest.param(FIRST + 5, [], 5, id="the tail: confirms everything"),
        pytest.param(FIRST + 15, [], 5, id="the tail + 10 still counts"),
        pytest.param(FIRST + 16, [0, 1, 2, 3, 4], 0, id="above the tail + 10: means the head"),
        pytest.param(2_000_000_000, [0, 1, 2, 3, 4], 0, id="no valid id: means the head"),
        pytest.param(FIRST - MAX_EVENTS, [0, 1, 2, 3, 4], 0, id="100,000 below the head"),
        pytest.param(1, [0, 1, 2, 3, 4], 0, id="far below the head: means the head"),
        pytest.param(-2, [3, 4], 0, id="negative: destroys all but the last two"),
        pytest.param(-5, [0, 1, 2, 3, 4], 0, id="negative: as many as there are"),
        pytest.param(-99, [0, 1, 2, 3, 4], 0, id="negative: more than there are"),
    ],
)
def test_what_an_offset_means(offset: int, answered: list[int], confirmed: int) -> None:
    queue = filled(5)
    assert ids(queue, offset) == answered
    assert queue.confirmed == confirmed
    assert len(queue) == len(answered)


def test_an_offset_asked_of_an_empty_queue_confirms_nothing_later() -> None:
    queue = UpdateQueue(FIRST)
    assert (queue.head, queue.tail) == (0, 0)
    assert ids(queue, FIRST + 3) == []
    queue.push("message", b"{}", 0.0, keep_for=DAY)
    assert (queue.head, queue.tail) == (FIRST, FIRST + 1)
    assert ids(queue, 0) == [0]


def test_every_update_knows_its_life() -> None:
    queue = filled(3)
    queue.take(0, 2, 1.0)
    queue.take(0, 3, 2.0)
    queue.take(FIRST + 2, 3, 3.0)
    queue.drop_all_but(0, 4.0)
    lives = [(update.deliveries, update.first_handed_at, update.end, update.ended_at) for update in queue.history]
    assert lives == [(2, 1.0, "confirmed", 3.0), (2, 1.0, "confirmed", 3.0), (2, 2.0, "dropped", 4.0)]
    assert (queue.pushed, queue.handed_out, queue.confirmed) == (3, 6, 2)


def test_limit_and_size_bound_an_answer() -> None:
    queue = UpdateQueue(FIRST)
    for _ in range(20):
        queue.push("message", b"x" * (500 * 1024), 0.0, keep_for=DAY)
    assert len(ids(queue, 0, limit=3)) == 3
    in_one_answer = len(ids(queue, 0))
    assert in_one_answer == 8
    assert in_one_answer * 500 * 1024 < MAX_ANSWER_BYTES


def test_oversized_and_excess_updates_are_dropped_silently() -> None:
    queue = UpdateQueue(FIRST)
    assert queue.push("message", b"x" * (MAX_EVENT_BYTES + 1), 0.0, keep_for=DAY) is None
    assert queue.push("message", b"{}", 0.0, keep_for=0) is None
    for _ in range(MAX_EVENTS):
        queue.push("message", b"{}", 0.0, keep_for=DAY)
    assert queue.push("message", b"{}", 0.0, keep_for=DAY) is None
    assert queue.refused == 3
    assert queue.tail == FIRST + MAX_EVENTS


def test_expired_updates_leave_wherever_they_stand() -> None:
    queue = UpdateQueue(FIRST)
    for keep_for in (DAY, 30, DAY, 150):
        queue.push("message", b"{}", 0.0, keep_for=keep_for)
    assert ids(queue, 0, now=30.0) == [0, 1, 2, 3]
    assert ids(queue, 0, now=31.0) == [0, 2, 3]
    queue.expire(200.0)
    assert [update.end for update in queue.history] == ["", "expired", "", "expired"]
    assert len(queue) == 2


def test_ids_can_restart_below_the_old_ones() -> None:
    queue = filled(3)
    queue.restart_ids(5_000_000 - 4_500_000, 1.0)
    queue.push("message", b"{}", 1.0, keep_for=DAY)
    assert [update.id for update in queue.take(FIRST + 3, 100, 2.0)] == [500_000]
    assert queue.confirmed == 0


def desk(queue: UpdateQueue | None = None, **settings: Any) -> PollDesk:
    return PollDesk(UpdateQueue(FIRST) if queue is None else queue, Settings(**settings))


def ask(desk: PollDesk, now: float, *, offset: int = 0, limit: int = 100, timeout: float = 50) -> Poll:
    poll = desk.open(now)
    desk.receive(poll, offset, limit, timeout, now)
    return poll


def test_a_waiting_poll_is_answered_when_woken_and_empty_at_its_deadline() -> None:
    queue = UpdateQueue(FIRST)
    polls = desk(queue)
    woken: list[str] = []
    poll = ask(polls, 0.0, timeout=10)
    assert (poll.is_waiting, poll.deadline) == (True, 10.0)
    poll.wake = lambda: woken.append("now")
    queue.push("message", b'{"update_id":1}', 1.0, keep_for=DAY)
    polls.updates_arrived(1.0)
    assert woken == ["now"]
    polls.finish(poll, 1.0)
    assert (poll.result, poll.update_count) == (b'[{"update_id":1}]', 1)
    polls.close(poll, 1.0, poll.result_name)

    later = ask(polls, 20.0, offset=FIRST + 1, timeout=10)
    polls.finish(later, 30.0)
    assert later.result == b"[]"
    assert later.result_name == "empty"


def test_the_older_waiting_poll_ends_when_a_newer_must_wait_too() -> None:
    polls = desk()
    older, newer = ask(polls, 0.0), ask(polls, 1.0)
    assert older.failure == (409, TERMINATED_BY_POLL)
    assert newer.is_waiting
    assert polls.max_simultaneous == 2
    assert [(conflict.at, conflict.poll, conflict.was_heard) for conflict in polls.conflicts] == [(1.0, 1, True)]


@pytest.mark.parametrize("finds_updates", [True, False])
def test_a_poll_that_is_answered_at_once_ends_no_other_poll(finds_updates: bool) -> None:
    queue = UpdateQueue(FIRST)
    polls = desk(queue)
    older = ask(polls, 0.0)
    if finds_updates:
        queue.push("message", b"{}", 1.0, keep_for=DAY)
        newer = ask(polls, 5.0, timeout=50)
    else:
        newer = ask(polls, 5.0, timeout=0)
    assert newer.result is not None
    assert older.is_waiting
    assert polls.conflicts == []


def test_further_conflicts_within_three_seconds_are_held_back_for_three() -> None:
    polls = desk()
    first, second, third, fourth = (ask(polls, now) for now in (0.0, 1.0, 2.0, 4.0))
    assert [poll.released_at for poll in (first, second, third)] == [1.0, 2.0 + 3.0, 4.0]
    assert fourth.is_waiting


def test_a_conflict_with_a_webhook_does_not_wait() -> None:
    polls = desk()
    poll = polls.open(0.0)
    polls.refuse(poll, 0.0, WEBHOOK_IS_ACTIVE)
    assert poll.failure == (409, WEBHOOK_IS_ACTIVE)
    assert poll.result_name == "conflict"


def test_a_poll_whose_client_left_takes_no_update_and_delays_no_other_poll() -> None:
    queue = UpdateQueue(FIRST)
    polls = desk(queue)
    gone = ask(polls, 0.0)
    polls.close(gone, 1.0, "hung_up")
    queue.push("message", b"{}", 2.0, keep_for=DAY)
    polls.updates_arrived(2.0)
    newer = ask(polls, 2.0)
    assert newer.update_count == 1
    assert polls.conflicts == []
    assert queue.history[0].deliveries == 1


def test_a_poll_whose_client_left_still_gets_its_conflict() -> None:
    polls = desk()
    polls.close(ask(polls, 0.0), 1.0, "hung_up")
    ask(polls, 2.0)
    assert [conflict.was_heard for conflict in polls.conflicts] == [False]
    assert polls.max_simultaneous == 1


def test_a_poll_whose_client_left_is_forgotten_after_its_timeout() -> None:
    polls = desk()
    polls.close(ask(polls, 0.0, timeout=10), 1.0, "hung_up")
    ask(polls, 10.0)
    assert polls.conflicts == []


@pytest.mark.parametrize(
    ("pause", "offset", "timeout", "waits_for", "limit"),
    [
        pytest.param(0.4, FIRST, 0, 3.0, 1, id="within half a second: one update, three seconds"),
        pytest.param(2.9, FIRST, 0, 3.0, 100, id="within three seconds"),
        pytest.param(2.9, FIRST, 2, 3.0, 100, id="a short timeout grows too"),
        pytest.param(2.9, FIRST, 5, 5.0, 100, id="a long one stays"),
        pytest.param(3.0, FIRST, 0, None, 100, id="after three seconds nothing of the sort"),
        pytest.param(0.1, FIRST + 1, 0, None, 100, id="another offset"),
    ],
)
def test_the_same_offset_again(pause: float, offset: int, timeout: float, waits_for: float | None, limit: int) -> None:
    polls = desk()
    ask(polls, 0.0, offset=FIRST, timeout=0)
    again = ask(polls, pause, offset=offset, timeout=timeout)
    assert again.limit == limit
    assert again.is_waiting == (waits_for is not None)
    if waits_for is not None:
        assert again.deadline == pytest.approx(pause + waits_for)


def test_the_repeat_rules_can_be_turned_off() -> None:
    polls = desk(repeat_wait=0, repeat_single=0)
    ask(polls, 0.0, timeout=0)
    again = ask(polls, 0.0, timeout=0)
    assert (again.result, again.limit) == (b"[]", 100)


def test_a_negative_offset_destroys_only_once() -> None:
    queue = UpdateQueue(FIRST)
    polls = desk(queue)
    poll = ask(polls, 0.0, offset=-1)
    for _ in range(3):
        queue.push("message", b"{}", 1.0, keep_for=DAY)
    polls.finish(poll, 1.0)
    assert poll.update_count == 3


def test_timeout_and_limit_are_clamped() -> None:
    polls = desk(filled(0))
    assert ask(polls, 0.0, limit=0, timeout=999).deadline == 50.0
    polls = desk(filled(150))
    assert ask(polls, 0.0, limit=1000).update_count == 100
    assert ask(polls, 10.0, limit=-5).update_count == 1


def test_a_simulator_that_is_started_again_hands_out_no_old_ids() -> None:
    token = "4242:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
    simulators = BotApiSimulator(), BotApiSimulator(), BotApiSimulator(Settings(seed=7))
    updates = [simulator.bot(token).push_text("hello") for simulator in simulators]
    again = simulators[0]
    again.reset()
    updates.append(again.bot(token).push_text("hello"))
    assert len({update.id for update in updates if update is not None}) == 4
