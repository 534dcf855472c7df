"""Wait for what gives no signal of its own: look at it until it is as expected, and fail the test when it never is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

Found = TypeVar("Found")


async def until(condition: Callable[[], object], *, seconds: float = 60.0, step: float = 0.01) -> None:
    """Return once `condition` holds, which is looked at every `step` seconds; raises AssertionError after `seconds`."""
    with trio.move_on_after(seconds):
        while not condition():
            await trio.sleep(step)
        return
    raise AssertionError(f"the condition did not come to hold within {seconds:g} s")


async def until_found(
    look: Callable[[], Awaitable[Found]],
    accept: Callable[[Found], object] = bool,
    *,
    seconds: float = 60.0,
    step: float = 0.01,
) -> Found:
    """Call `look` until `accept` takes its result, which is returned; raises AssertionError with the last result after
    `seconds`."""
    found: object = "nothing, for the first look did not return"
    with trio.move_on_after(seconds):
        while True:
            found = result = await look()
            if accept(result):
                return result
            await trio.sleep(step)
    raise AssertionError(f"not found within {seconds:g} s; the last look found {found!r:.1000}")
