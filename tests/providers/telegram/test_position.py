"""Where a bot stands in its queue: offsets, and epochs of update ids. Pure."""

from __future__ import annotations

import pytest

from rookery_telegram.position import IDLE_RESTART, OVERFLOW_ZONE, Position

NOW = 1_700_000_000.0
WEEK = 7 * 86_400.0


def at(offset: int, *, epoch: int = 0, ago: float = 60.0) -> Position:
    return Position(offset, epoch, NOW - ago)


def test_it_survives_the_store() -> None:
    position = at(501, epoch=3)
    assert Position.load(position.dump()) == position
    assert Position.load(None) == Position(0, 0, 0.0)


@pytest.mark.parametrize(
    ("before", "ids", "epoch"),
    [
        (Position(), [77, 78], 0),  # the first ever
        (at(100), [100, 101], 0),  # goes on
        (at(100), [105], 0),  # some expired
        (at(100), [90, 91], 0),  # the server went back and replays
        (at(100), [9_000_000], 0),  # far ahead, but not after a week: a replay is impossible, keys are new anyway
        (at(100, ago=WEEK), [100, 101], 0),  # a week of silence, ids went on
        (at(100, ago=WEEK), [500_000_000], 1),  # a week of silence, ids began elsewhere
        (at(500_000_000, ago=WEEK), [77], 1),  # ... and lower
        (at(500_000_000, ago=IDLE_RESTART - 1), [77], 0),
        (at(OVERFLOW_ZONE + 5_000_000), [3], 1),  # ids wrapped
        (at(100, epoch=4, ago=WEEK), [500_000_000], 5),
        (at(100, epoch=4), [], 4),
    ],
)
def test_epochs(before: Position, ids: list[int], epoch: int) -> None:
    assert before.epoch_of(ids, NOW) == epoch


def test_the_next_offset_follows_the_last_id_also_downwards() -> None:
    assert at(100).after([100, 101, 105], 0, NOW) == Position(106, 0, NOW)
    assert at(100).after([7, 8], 0, NOW) == Position(9, 0, NOW)
    assert at(100).after([], 0, NOW) == at(100)


def test_an_epoch_is_entered_once() -> None:
    """The batch that opens an epoch moves the position, so that its repetition after a crash is the same epoch."""
    before = at(100, ago=WEEK)
    epoch = before.epoch_of([500_000_000], NOW)
    after = before.after([500_000_000], epoch, NOW)
    assert after.epoch_of([500_000_001], NOW + 60) == epoch
    assert after.epoch_of([500_000_000], NOW + 60) == epoch
