"""What a store offers to several engines that use it at once, beside sessions and their leases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, runtime_checkable

import trio

from ...model.instance import Census, Instance, InstanceCall, StoreChange


class InstanceStore(Protocol):
    """Keeps the list of live instances."""

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        """Record that this instance is alive for `ttl` seconds by the store's clock. Returns the current census,
        including this instance.

        A session that has been free for `patience` seconds is overdue. The store notifies the other instances when this
        one is new or starts to drain. A store that is not shared knows no other instance.
        """

    async def leave(self, name: str) -> None:
        """Remove this instance and notify the others."""


@runtime_checkable
class CallStore(Protocol):
    """Calls from one instance to another. Arguments and answers are encrypted before they reach the disk."""

    async def submit_call(self, call: InstanceCall) -> None:
        """Store the call and notify its owner (`calls`)."""

    async def take_calls(self, owner: str, *, limit: int) -> Sequence[InstanceCall]:
        """Return the calls for this instance that have not been taken yet, oldest first. Each call is given out once.
        Overdue calls are forgotten."""

    async def answer_call(self, id: str, answer: bytes) -> bool:
        """Store the answer and notify the caller (`call`). False when the caller no longer waits."""

    async def fetch_answer(self, id: str) -> bytes | None:
        """Return the answer and forget it; None until there is one."""

    async def withdraw_call(self, id: str) -> bool:
        """Forget the call. True when no instance had taken it, so it will certainly never run."""


class DutyStore(Protocol):
    """Work that one instance at a time does for all of them, such as delivering to one webhook. The engine names the
    duties."""

    async def take_duties(self, owner: str, names: Collection[str], *, ttl: float) -> set[str]:
        """Take the duties that no instance holds and keep those that `owner` holds, for the next `ttl` seconds. Returns
        both.

        A store that is not shared grants every duty: only one engine uses it.
        """

    async def drop_duties(self, owner: str, names: Collection[str]) -> None:
        """Release these duties at once; duties that other instances hold stay as they are."""


@runtime_checkable
class Notifying(Protocol):
    """A store that reports changes made by other engines. A notification is a hint, never the truth: notifications get
    lost."""

    @property
    def hears(self) -> bool:
        """False while `watch` may be missing notifications: between two connections, when the server's answers are late,
        or when no notification ever arrives."""

    async def watch(
        self,
        on_change: Callable[[StoreChange], object],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Call `on_change` for every change by any engine, including this one, until cancelled. Reconnects on its own.

        `on_change` must not block. It is called with `everything` after each connection and reconnection.
        """
