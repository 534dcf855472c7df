"""Old rows are deleted in steps so small that writers hardly wait."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from rookery.store.pieces import BATCH, FEWEST, FIRST, PIECE_SECONDS, in_pieces, running_watch


class SlowTable:
    """Rows that take `each` seconds to delete."""

    def __init__(self, rows: int, each: float) -> None:
        self.rows = rows
        self.each = each
        self.pieces: list[tuple[int, float]] = []
        self.idle: list[float] = []
        self._ended = 0.0

    async def delete(self, limit: int) -> int:
        began = trio.current_time()
        self.idle.append(began - self._ended)
        gone = min(limit, self.rows)
        await trio.sleep(gone * self.each)
        self.rows -= gone
        self._ended = trio.current_time()
        self.pieces.append((gone, self._ended - began))
        return gone


async def test_pieces_become_as_small_as_the_database_is_slow(autojump_clock: MockClock) -> None:
    table = SlowTable(20_000, each=0.0001)
    await in_pieces(table.delete)
    assert table.rows == 0
    settled = table.pieces[3:-1]
    assert all(seconds <= 1.5 * PIECE_SECONDS for _, seconds in settled)
    # Writers have at least half of the time.
    assert sum(table.idle[1:]) >= sum(seconds for _, seconds in table.pieces[:-1])


async def test_a_quick_database_is_asked_for_full_batches(autojump_clock: MockClock) -> None:
    table = SlowTable(20_000, each=1e-7)
    await in_pieces(table.delete)
    assert table.rows == 0
    assert table.pieces[5][0] == BATCH


async def test_a_very_slow_database_goes_on(autojump_clock: MockClock) -> None:
    table = SlowTable(500, each=0.01)
    await in_pieces(table.delete)
    assert table.rows == 0
    assert min(count for count, _ in table.pieces[:-1]) == FEWEST


async def test_the_wait_before_a_transaction_is_not_taken_for_the_time_of_its_rows(autojump_clock: MockClock) -> None:
    limits: list[int] = []
    pauses: list[float] = []
    ended = 0.0

    async def delete(limit: int) -> int:
        nonlocal ended
        pauses.append(trio.current_time() - ended)
        await trio.sleep(1.0)  # the disk is busy
        watch = running_watch()
        assert watch is not None
        watch.work, watch.transaction = 0.4 * PIECE_SECONDS, 0.2  # a commit that takes long
        limits.append(limit)
        ended = trio.current_time()
        return limit if len(limits) < 8 else 0

    await in_pieces(delete)
    assert limits == [FIRST, 75, 112, 168, BATCH, BATCH, BATCH, BATCH]
    assert pauses[1:] == pytest.approx([0.2] * 7)
    assert running_watch() is None
