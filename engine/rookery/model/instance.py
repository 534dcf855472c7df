"""The engines that share a store, and the calls and notifications between them."""

from __future__ import annotations

from typing import Literal

import msgspec


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One engine, as it last described itself."""

    name: str
    draining: bool = False  # it hands its sessions over and accepts none
    sessions: int = 0  # sessions that it runs
    capacity: int | None = None  # maximum number of sessions that it may run
    started_at: float = 0.0
    clock_skew: float = 0.0  # seconds by which its machine's clock is ahead of the database's


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """All live instances, ordered by name, and the number of sessions.

    `wanted` sessions should run somewhere; `free` of them have no owner, and `overdue` of these have been free for a
    long time. `now` is the store's time, in seconds since the epoch, if it has a clock of its own.
    """

    instances: tuple[Instance, ...]
    wanted: int = 0
    free: int = 0
    overdue: int = 0
    now: float | None = None

    def lives(self, name: str) -> bool:
        """True when an instance with this name is alive."""
        return any(instance.name == name for instance in self.instances)

    @property
    def takers(self) -> list[Instance]:
        """The instances that accept sessions."""
        return [instance for instance in self.instances if not instance.draining]


class InstanceCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request to do something that only one instance can do. `arguments` are opaque here."""

    id: str
    owner: str  # the instance that must handle it
    method: str
    arguments: bytes
    seconds: float  # from now until the caller stops waiting for the answer


class StoreChange(msgspec.Struct, frozen=True):
    """A change by some engine. It carries no data: the store is the source of truth."""

    kind: Literal[
        "session",
        "messages",
        "message",
        "events",
        "erased",
        "webhooks",
        "duties",
        "instances",
        "calls",
        "call",
        "everything",
    ]
    """`session`: an operator wrote a row, or it was released. `messages`: there are messages to send for a session that
    another engine runs. `message`: a message that this or another engine accepted for a session it does not run is
    final. `erased`: a chat was erased. `calls`: there are calls for the instance `id`. `call`: a call was answered.
    `everything`: changes may have been missed."""
    id: str | None = None  # of the session, message, instance or call, if one is known


class Duty(msgspec.Struct, frozen=True):
    """Work that `owner` does for all instances as long as it holds it; `name` says which work."""

    owner: str
    name: str
