"""What a store offers to several engines that use it at once, beside sessions and their leases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from .instances import Census, Instance


class InstanceStore(Protocol):
    """Who lives."""

    async def beat(self, instance: Instance, *, ttl: float, patience: float) -> Census:
        """Say that this instance lives, for `ttl` seconds by the store's clock; returns the present state, itself included.

        Sessions that have been free for `patience` seconds are overdue. The others are told when it is new or begins to
        drain. A store that is not shared knows nobody else.
        """

    async def leave(self, name: str) -> None:
        """This instance is gone; the others are told."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only one instance can do, asked for by another one. `arguments` are opaque here."""

    id: str
    owner: str  # the instance that shall do it
    method: str
    arguments: bytes
    seconds: float  # from now until nobody waits for the answer any more


@runtime_checkable
class CallStore(Protocol):
    """Calls from one instance to another. Arguments and answers are encrypted before they reach the disk."""

    async def submit_call(self, call: Call) -> None:
        """Store it and tell its owner (`calls`)."""

    async def take_calls(self, owner: str, *, limit: int) -> Sequence[Call]:
        """Those for this instance that nobody has taken, oldest first; each is given out once. Forgets what is overdue."""

    async def answer_call(self, id: str, answer: bytes) -> bool:
        """Store the answer and tell who waits (`call`). False when nobody does any more."""

    async def fetch_answer(self, id: str) -> bytes | None:
        """The answer, which is forgotten then; None as long as there is none."""

    async def withdraw_call(self, id: str) -> bool:
        """Forget it. True when nobody had taken it, so that it certainly never happens."""
