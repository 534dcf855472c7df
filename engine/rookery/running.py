"""Runs a body beside services that outlive it, and raises the exception that matters most."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import trio


class Serve(Protocol):
    """Runs services until they have ended; says in `task_status` that they run."""

    async def __call__(self, *, task_status: trio.TaskStatus[None]) -> None: ...


@asynccontextmanager
async def running(serve: Serve, shut_down: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run the services in `serve` around the body, and `shut_down` when the body has ended.

    `serve` shields them from the body's cancellation, so that they end after it. If a service fails, the body is cancelled
    and the service's error is raised instead. A single exception is raised as itself, not as a group.
    """
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            try:
                yield
            except BaseException as caught:
                raised = caught
                raise
            finally:
                await shut_down()
    except BaseExceptionGroup as group:
        error: BaseException | None = _only_leaf(group)
        if isinstance(raised, BaseExceptionGroup) and raised.split(trio.Cancelled)[1] and len(group.exceptions) == 1:
            error = group.exceptions[0]  # unwrap only the nursery's group, not a group that the body raised
        if error is None:
            raise
        raise error from error.__cause__


def _only_leaf(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return None if isinstance(error, BaseExceptionGroup) else error
