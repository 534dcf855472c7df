"""Sends that several callers begin in the same moment are stored in one go, and still have nothing to do with each other."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from rookery import EngineSettings
from rookery.errors import (
    Busy,
    InvalidInput,
    LimitReached,
    NotFound,
    OutcomeUnknown,
    RookeryError,
    StoreUnavailable,
)
from rookery.outbound.batcher import Batcher
from support.engines.sends import all_final
from support.fake_platform import FakePlatform, add, connected, open_fake_engine, open_troubled_store, settled


async def _errors_of(
    handle: Callable[[str, Sequence[int]], Awaitable[Sequence[int]]], tasks: int
) -> list[BaseException]:
    """The exceptions of several tasks whose items are handled together."""
    batcher = Batcher(handle)
    caught: list[BaseException] = []

    async def one(item: int) -> None:
        try:
            await batcher.run("a", item)
        except BaseException as error:
            caught.append(error)

    async with trio.open_nursery() as nursery:
        for item in range(tasks):
            nursery.start_soon(one, item)
    return caught


class TestBatcher:
    async def test_items_of_the_same_moment_are_handled_once(self) -> None:
        handled: list[list[int]] = []
        results: dict[int, str] = {}

        async def handle(key: str, items: Sequence[int]) -> list[str]:
            handled.append(list(items))
            await trio.lowlevel.cancel_shielded_checkpoint()
            return [f"{key}{item}" for item in items]

        batcher = Batcher(handle)

        async def one(key: str, item: int) -> None:
            results[item] = await batcher.run(key, item)

        async with trio.open_nursery() as nursery:
            for item in range(6):
                nursery.start_soon(one, "ab"[item % 2], item)
        assert sorted(map(sorted, handled)) == [[0, 2, 4], [1, 3, 5]]
        assert results == {item: f"{'ab'[item % 2]}{item}" for item in range(6)}
        await one("a", 6)
        assert handled[-1] == [6]

    async def test_an_error_reaches_everyone_and_the_next_start_anew(self) -> None:
        async def handle(key: str, items: Sequence[bool]) -> Sequence[bool]:
            if not all(items):
                raise StoreUnavailable("no answer")
            return items

        batcher = Batcher(handle)
        failed: list[str] = []

        async def one(item: bool) -> None:
            try:
                await batcher.run("a", item)
            except StoreUnavailable as error:
                failed.append(str(error))

        async with trio.open_nursery() as nursery:
            for item in (True, False, True):
                nursery.start_soon(one, item)
        assert failed == ["no answer"] * 3
        assert await batcher.run("a", True)

    @pytest.mark.parametrize(
        "error",
        [
            StoreUnavailable("no answer"),
            InvalidInput("text: too long", field="text"),
            NotFound("session", "a"),
            LimitReached("too many", limit="sessions"),
        ],
        ids=lambda error: type(error).__name__,
    )
    async def test_each_task_gets_an_error_of_its_own(self, error: RookeryError) -> None:
        async def handle(key: str, items: Sequence[int]) -> Sequence[int]:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise error

        caught = await _errors_of(handle, 20)
        assert len({id(each) for each in caught}) == 20
        for each in caught:
            assert (type(each), str(each), vars(each)) == (type(error), str(error), vars(error))
            assert (
                len(traceback.extract_tb(each.__traceback__)) < 10
            )  # its own way and the first task's, not those of all
            assert each.__context__ is None

    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), AssertionError("a bug")], ids=repr)
    async def test_what_ends_the_first_task_leaves_the_others_in_doubt(self, error: BaseException) -> None:
        async def handle(key: str, items: Sequence[int]) -> Sequence[int]:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise error

        caught = await _errors_of(handle, 4)
        assert [type(each) for each in caught if each is not error] == [OutcomeUnknown] * 3
        assert len({id(each) for each in caught}) == 4

    async def test_the_cancellation_of_the_first_task_cancels_no_other(self) -> None:
        begun = trio.Event()

        async def handle(key: str, items: Sequence[int]) -> Sequence[int]:
            begun.set()
            await trio.sleep_forever()
            return items

        batcher = Batcher(handle)
        caught: list[str] = []

        async def one(item: int, scope: trio.CancelScope) -> None:
            with scope:
                try:
                    await batcher.run("a", item)
                except OutcomeUnknown as unknown:
                    caught.append(str(unknown))

        scopes = [trio.CancelScope() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for item, scope in enumerate(scopes):
                nursery.start_soon(one, item, scope)
            await begun.wait()
            for scope in scopes:
                scope.cancel()
        assert len(caught) == 2

    async def test_a_cancelled_first_task_takes_no_other_with_it(self) -> None:
        release = trio.Event()
        begun = trio.Event()

        async def handle(key: str, items: Sequence[int]) -> Sequence[int]:
            with trio.CancelScope(shield=True):
                begun.set()
                await release.wait()
            return items

        batcher = Batcher(handle)
        results: list[int] = []

        async def one(item: int, scope: trio.CancelScope) -> None:
            with scope:
                results.append(await batcher.run("a", item))

        scopes = [trio.CancelScope() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for item, scope in enumerate(scopes):
                nursery.start_soon(one, item, scope)
            await begun.wait()
            scopes[0].cancel()
            scopes[1].cancel()
            await wait_all_tasks_blocked()
            assert not results
            release.set()
        assert sorted(results) == [0, 1, 2]


class TestAcceptingTogether:
    async def test_one_write_stores_the_sends_of_many_callers(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            before = store.calls["enqueue"], store.calls["enqueue_batch"]
            async with trio.open_nursery() as nursery:
                for chat in range(20):
                    nursery.start_soon(partial(engine.send, "a", to=str(chat), text=f"to {chat}"))
            assert (store.calls["enqueue"], store.calls["enqueue_batch"]) == (before[0], before[1] + 1)
            assert sorted(platform.sent_texts()) == sorted(f"to {chat}" for chat in range(20))

    async def test_each_caller_gets_its_own_error(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_fake_engine(platform, settings=EngineSettings(max_pending_sends=2)) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            await engine.send("a", to="1", text="first", idempotency_key="k")
            answers: dict[str, object] = {}

            async def one(name: str, text: str, key: str | None = None) -> None:
                try:
                    answers[name] = (await engine.submit("a", to="7", text=text, idempotency_key=key)).id
                except (InvalidInput, Busy) as error:
                    answers[name] = type(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(one, "another request with the key", "second", "k")
                for number in range(4):
                    nursery.start_soon(one, f"number {number}", f"text {number}")
            assert answers.pop("another request with the key") is InvalidInput
            accepted = [id for id in answers.values() if isinstance(id, str)]
            assert len(accepted) == 2
            assert list(answers.values()).count(Busy) == 2
            assert await all_final(engine, accepted) == {"sent": 2}
            assert len(platform.sent) == 3

    async def test_a_store_that_does_not_answer_leaves_everyone_in_doubt(self, autojump_clock: MockClock) -> None:
        platform = FakePlatform()
        async with open_troubled_store() as store, open_fake_engine(platform, store) as engine:
            await add(engine)
            await connected(engine)
            await settled()
            store.hanging.add("enqueue_batch")
            doubtful = 0

            async def one(chat: int) -> None:
                nonlocal doubtful
                with pytest.raises(OutcomeUnknown):
                    await engine.submit("a", to=str(chat), text="hi")
                doubtful += 1

            with trio.fail_after(2 * engine.settings.store_timeout):
                async with trio.open_nursery() as nursery:
                    for chat in range(5):
                        nursery.start_soon(one, chat)
            assert doubtful == 5
            store.hanging.clear()
            with trio.fail_after(60):
                await engine.send("a", to="1", text="fine again")
