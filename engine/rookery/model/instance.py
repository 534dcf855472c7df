"""The engines that share a store, what they ask of each other and what they tell each other."""

from __future__ import annotations

from typing import Literal

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, as it last said of itself."""

    name: str
    draining: bool = False  # it gives its sessions away and takes none
    sessions: int = 0  # that it runs
    capacity: int | None = None  # sessions that it may run at most
    started_at: float = 0.0
    clock_skew: float = 0.0  # seconds that its machine's clock is ahead of the database's


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """All instances that live, ordered by name, and how many sessions there are for them.

    `wanted` sessions should run somewhere; `free` of them have no owner, and `overdue` of these have been free for long.
    `now` is the store's time, seconds since the epoch, if it has a clock of its own.
    """

    instances: tuple[Instance, ...]
    wanted: int = 0
    free: int = 0
    overdue: int = 0
    now: float | None = None

    def lives(self, name: str) -> bool:
        """True when an instance of this name has been heard of lately."""
        return any(instance.name == name for instance in self.instances)

    @property
    def takers(self) -> list[Instance]:
        """Those that take sessions."""
        return [instance for instance in self.instances if not instance.draining]


class InstanceCall(msgspec.Struct, frozen=True, kw_only=True):
    """Something that only one instance can do, asked for by another one. `arguments` are opaque here."""

    id: str
    owner: str  # the instance that shall do it
    method: str
    arguments: bytes
    seconds: float  # from now until the caller stops waiting for the answer


class StoreChange(msgspec.Struct, frozen=True):
    """Something that some engine changed. It carries no data: the store is the truth."""

    kind: Literal[
        "session", "messages", "message", "events", "webhooks", "duties", "instances", "calls", "call", "everything"
    ]
    """`session`: a row was written by an operator or released. `messages`: there is something to send for a session that
    another engine runs. `message`: a message that this or another engine accepted for a foreign session is final.
    `calls`: there are calls for the instance `id`. `call`: one is answered. `everything`: changes may have been missed."""
    id: str | None = None  # of the session, message, instance or call, if it is one and is known
