"""Notifications of changes that other instances make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import trio

from ...model.instance import StoreChange


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
