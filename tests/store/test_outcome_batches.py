"""States of sends that are written together: each caller learns its own result, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from rookery.errors import StoreUnavailable
from rookery.model.message import MessageState, Recorded, SendOutcome
from rookery.model.session import Lease
from rookery.store.postgres.database.outcome_batches import OutcomeBatches

ONE, TWO = Lease("one", 1, "me", 1), Lease("two", 2, "me", 1)


def sent(id: str) -> SendOutcome:
    return SendOutcome(id=id, state=MessageState.SENT, at=1.0)


class Writer:
    """Takes a second for each write."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, list[str]]] = []
        self.errors: list[Exception] = []

    async def __call__(self, lease: Lease, outcomes: Sequence[SendOutcome]) -> Recorded:
        self.writes.append((lease.session, sorted(outcome.id for outcome in outcomes)))
        await trio.sleep(1)
        if self.errors:
            raise self.errors.pop(0)
        return Recorded(frozenset({"refused"}), True)


async def test_what_comes_meanwhile_goes_together(autojump_clock: MockClock) -> None:
    writer = Writer()
    batches = OutcomeBatches(writer)
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batches.record, ONE, [sent("first")])
        await trio.sleep(0.1)
        for number in range(100):
            nursery.start_soon(batches.record, ONE, [sent(f"{number:02}")])
        nursery.start_soon(batches.record, TWO, [sent("other")])
    together = sorted(f"{number:02}" for number in range(100))
    assert writer.writes == [("one", ["first"]), ("two", ["other"]), ("one", together)]
    assert trio.current_time() - started == pytest.approx(2)
    assert await batches.record(ONE, [sent("refused")]) == Recorded(frozenset({"refused"}), True)


async def test_an_error_is_everybodys_and_the_next_write_is_new(autojump_clock: MockClock) -> None:
    writer = Writer()
    batches = OutcomeBatches(writer)
    results: list[str] = []

    async def record(id: str) -> None:
        try:
            await batches.record(ONE, [sent(id)])
        except StoreUnavailable:
            results.append(f"{id} failed")
        else:
            results.append(f"{id} stored")

    writer.errors = [StoreUnavailable("away")]
    async with trio.open_nursery() as nursery:
        for id in ("a", "b", "c"):
            nursery.start_soon(record, id)
            await trio.sleep(0.1)
    assert sorted(results) == ["a failed", "b stored", "c stored"]


async def test_each_caller_raises_an_error_of_its_own(autojump_clock: MockClock) -> None:
    writer = Writer()
    batches = OutcomeBatches(writer)
    errors: list[StoreUnavailable] = []

    async def record(id: str) -> None:
        try:
            await batches.record(ONE, [sent(id)])
        except StoreUnavailable as error:
            errors.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(record, "first")
        await trio.sleep(0.5)
        for name in ("a", "b", "c"):
            nursery.start_soon(record, name)
        await trio.sleep(1)
        writer.errors = [StoreUnavailable("away")]
    assert [str(error) for error in errors] == ["away"] * 3
    assert len({id(error) for error in errors}) == 3, "a traceback and a context belong to one task"


async def test_a_cancelled_writer_leaves_it_to_the_others(autojump_clock: MockClock) -> None:
    writer = Writer()
    batches = OutcomeBatches(writer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batches.record, ONE, [sent("first")])
        await trio.sleep(0.1)

        async def impatient() -> None:
            with trio.move_on_after(1.5):  # while its batch is being written
                await batches.record(ONE, [sent("impatient")])

        nursery.start_soon(impatient)
        await trio.sleep(0.1)
        nursery.start_soon(batches.record, ONE, [sent("patient")])
    assert writer.writes == [("one", ["first"]), ("one", ["impatient", "patient"]), ("one", ["patient"])]
    assert not batches._open
    assert not batches._writing
