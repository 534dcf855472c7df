"""Delays and budgets as a table (B2, B3). Pure."""

from __future__ import annotations

import pytest

from rookery.errors import Failure
from rookery.session.backoff import Backoff
from rookery.settings import EngineSettings


def low(least: float, most: float) -> float:
    return least


def high(least: float, most: float) -> float:
    return most


def delays(kind: Failure, count: int, *, uniform: object = low, **settings: float) -> list[float | None]:
    backoff = Backoff(EngineSettings(**settings), uniform=uniform)  # type: ignore[arg-type]
    return [backoff.fail(kind) for _ in range(count)]


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (Failure.NETWORK, "backoff_network"),
        (Failure.SERVER, "backoff_server_error"),
        (Failure.RATE_LIMIT, "backoff_rate_limit"),
        (Failure.CONFLICT, "backoff_conflict"),
        (Failure.BUG, "backoff_internal_error"),
        (Failure.STORE, "backoff_network"),
    ],
)
def test_each_kind_grows_from_its_own_base(kind: Failure, setting: str) -> None:
    assert delays(kind, 4, **{setting: 8.0}) == [8.0, 12.0, 18.0, 27.0]


def test_defaults_follow_the_formula_up_to_the_maximum() -> None:
    expected = [min(5 * 1.5**attempt, 300) for attempt in range(30)]
    assert delays(Failure.NETWORK, 30) == pytest.approx(expected)
    assert delays(Failure.NETWORK, 30)[-1] == 300


def test_jitter_only_adds() -> None:
    assert delays(Failure.NETWORK, 2, uniform=high) == [10.0, 12.5]


def test_conflict_begins_with_a_minute() -> None:
    assert delays(Failure.CONFLICT, 5) == pytest.approx([60, 90, 135, 202.5, 300])


def test_a_base_above_the_maximum_stays_what_it_is() -> None:
    assert delays(Failure.CONFLICT, 3, backoff_conflict=900.0) == [900.0, 900.0, 900.0]


@pytest.mark.parametrize("kind", [Failure.NETWORK, Failure.STORE, Failure.SERVER])
def test_an_outage_is_retried_for_ever(kind: Failure) -> None:
    found = delays(kind, 5000)
    assert None not in found
    assert found[-1] == 300


@pytest.mark.parametrize("kind", [Failure.RATE_LIMIT, Failure.CONFLICT, Failure.BUG])
def test_any_other_failure_is_retried_twenty_times(kind: Failure) -> None:
    found = delays(kind, 21)
    assert None not in found[:20]
    assert found[20] is None


def test_outages_in_between_do_not_use_up_attempts_nor_give_them_back() -> None:
    backoff = Backoff(EngineSettings(reconnect_attempts=2), uniform=low)
    kinds = [Failure.BUG, *[Failure.NETWORK] * 50, Failure.BUG, *[Failure.STORE] * 50, *[Failure.SERVER] * 50]
    assert None not in [backoff.fail(kind) for kind in kinds]
    assert backoff.fail(Failure.BUG) is None


def test_a_turn_in_a_queue_uses_up_nothing_and_gives_nothing_back() -> None:
    backoff = Backoff(EngineSettings(reconnect_attempts=1), uniform=low)
    assert backoff.fail(Failure.BUG) == 5.0
    for _ in range(100):
        assert backoff.fail(Failure.RATE_LIMIT, retry_after=60.0, queueing=True) == 60.0
    assert backoff.fail(Failure.BUG) is None


def test_the_servers_word_wins_in_both_directions() -> None:
    backoff = Backoff(EngineSettings(), uniform=low)
    assert backoff.fail(Failure.RATE_LIMIT, retry_after=1000.0) == 1000.0
    assert backoff.fail(Failure.RATE_LIMIT, retry_after=0.5) == 0.5
    assert Backoff(EngineSettings(), uniform=high).fail(Failure.RATE_LIMIT, retry_after=30.0) == 35.0


@pytest.mark.parametrize("nonsense", [-1.0, float("nan"), float("inf")])
def test_a_word_that_is_no_time_is_passed_over(nonsense: float) -> None:
    assert Backoff(EngineSettings(), uniform=low).fail(Failure.RATE_LIMIT, retry_after=nonsense) == 5.0


def test_reset_starts_anew() -> None:
    backoff = Backoff(EngineSettings(reconnect_attempts=1), uniform=low)
    assert backoff.fail(Failure.BUG) == 5.0
    backoff.reset()
    assert backoff.fail(Failure.BUG) == 5.0
    assert backoff.fail(Failure.BUG) is None


def test_no_attempts_means_none() -> None:
    assert delays(Failure.BUG, 1, reconnect_attempts=0) == [None]


def test_a_steep_factor_and_a_long_outage() -> None:
    found = delays(Failure.NETWORK, 2000, backoff_factor=1e9)
    assert found[:2] == [5.0, 300.0]
    assert found[-1] == 300.0


def test_no_base_is_no_delay_however_long_it_lasts() -> None:
    assert set(delays(Failure.NETWORK, 2000, backoff_network=0.0, backoff_factor=1e9)) == {0.0}
