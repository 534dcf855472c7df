"""What a store offers to several engines that use it at once, beside sessions and their leases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

import trio

from ...model.instance import Census, Instance, InstanceCall, StoreChange


class InstanceStore(Protocol):
    """Who lives."""

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        """Say that this instance lives, for `ttl` seconds by the store's clock; returns the present state, itself included.

        Sessions that have been free for `patience` seconds are overdue. The others are told when it is new or begins to
        drain. A store that is not shared knows nobody else.
        """

    async def leave(self, name: str) -> None:
        """This instance is gone; the others are told."""


@runtime_checkable
class CallStore(Protocol):
    """Calls from one instance to another. Arguments and answers are encrypted before they reach the disk."""

    async def submit_call(self, call: InstanceCall) -> None:
        """Store it and tell its owner (`calls`)."""

    async def take_calls(self, owner: str, *, limit: int) -> Sequence[InstanceCall]:
        """Those for this instance that nobody has taken, oldest first; each is given out once. Forgets what is overdue."""

    async def answer_call(self, id: str, answer: bytes) -> bool:
        """Store the answer and tell who waits (`call`). False when nobody does any more."""

    async def fetch_answer(self, id: str) -> bytes | None:
        """The answer, which is forgotten then; None as long as there is none."""

    async def withdraw_call(self, id: str) -> bool:
        """Forget it. True when nobody had taken it, so that it certainly never happens."""


class DutyStore(Protocol):
    """Work that one instance at a time does for all of them, as delivering to one webhook. Duties are named by the engine."""

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        """Take those that nobody has, keep those that `owner` has, for the next `ttl` seconds; returns both.

        A store that is not shared gives every duty to everybody: there is one engine only.
        """

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        """Give duties back at once; those of others are left alone."""


@runtime_checkable
class Notifying(Protocol):
    """A store that tells what other engines change. A hint, never the truth: notifications get lost."""

    async def watch(
        self,
        on_change: Callable[[StoreChange], object],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Call `on_change` for every change by any engine (also this one) until cancelled; reconnects by itself.

        `on_change` must not block. After each (re)connection it is called with `everything`.
        """
