"""Where a bot stands in its queue: offsets, and epochs of update ids. Pure."""

from __future__ import annotations

import pytest

from rookery_telegram.receiving.position import IDLE_RESTART, OVERFLOW_ZONE, Position

BOT = "123456"
NOW = 1_700_000_000.0
WEEK = 7 * 86_400.0


def at(offset: int, *, epoch: int = 0, ago: float = 60.0) -> Position:
    return Position(offset, epoch, NOW - ago, BOT)


def test_it_survives_the_store() -> None:
    position = at(501, epoch=3)
    assert Position.load(position.dump(), BOT) == position
    assert Position.load(None, BOT) == Position(0, 0, 0.0, BOT)


def test_another_bot_begins_at_its_head_in_an_epoch_of_its_own() -> None:
    assert Position.load(at(501, epoch=3).dump(), "777777") == Position(0, 4, 0.0, "777777")


def test_a_cursor_from_before_bots_were_told_apart_stays() -> None:
    cursor = '{"offset":501,"epoch":3,"at":5.0}'
    assert Position.load(cursor, BOT) == Position(501, 3, 5.0, BOT)


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
    assert at(100).after([100, 101, 105], 0, NOW) == Position(106, 0, NOW, BOT)
    assert at(100).after([7, 8], 0, NOW) == Position(9, 0, NOW, BOT)
    assert at(100).after([], 0, NOW) == at(100)


def test_an_epoch_is_entered_once() -> None:
    """The batch that opens an epoch moves the position, so that its repetition after a crash is the same epoch."""
    before = at(100, ago=WEEK)
    epoch = before.epoch_of([500_000_000], NOW)
    after = before.after([500_000_000], epoch, NOW)
    assert after.epoch_of([500_000_001], NOW + 60) == epoch
    assert after.epoch_of([500_000_000], NOW + 60) == epoch
