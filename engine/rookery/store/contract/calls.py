"""Calls from one instance to another, carried by the store that both use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ...model.instance import InstanceCall


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
