"""What the delivery engine requires of a broker from which commands are read: sends that other programs have left there.

A command is acknowledged after its message is stored. Until then the broker keeps it and gives it out again, also after a
crash of either side; the message's idempotency key makes sure that it is sent once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

import msgspec

from ...model.webhook import Webhook

MAX_COMMAND = 1_048_576
"""Bytes of the largest command that is accepted."""

FETCH_SECONDS = 5.0
"""Longest wait for the first command. A lost connection that says nothing is noticed after it at the latest."""

DEAD = ".dead"
"""Where refused commands go: to the name that commands are read from, with this at its end."""


class Command(msgspec.Struct, frozen=True):
    """`id` is the same each time the broker gives the command out; None where the broker and the sender gave none. `body`
    is its JSON document. `handle` is the broker library's own object."""

    id: str | None
    body: bytes
    handle: Any = None


class CommandOutcome(msgspec.Struct, frozen=True):
    """What became of a command: `answer` (its message is stored), or `error` (it was refused), or neither: it has to be
    carried out again later."""

    answer: bytes | None = None
    error: str | None = None

    @property
    def is_final(self) -> bool:
        """True when the command may leave the broker's queue."""
        return self.answer is not None or self.error is not None


OnCommands = Callable[[Webhook, Sequence[Command]], Awaitable[Sequence[CommandOutcome]]]
"""Carries out commands in order and returns the outcome of each. Never raises because of what a command says."""


class CommandSource(Protocol):
    """An open reader of one queue, subject or stream. Errors of any type mean that it has to be opened again; the broker
    then gives out unsettled commands again."""

    async def fetch(self, limit: int, seconds: float) -> Sequence[Command]:
        """Return up to `limit` commands in order as soon as there is one; none after so many seconds."""

    async def settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None:
        """Acknowledge these, and put refused commands where refused commands go."""

    async def keep(self, held: Sequence[Command]) -> None:
        """These are carried out later: the broker must not give them out again meanwhile."""


@runtime_checkable
class CommandTransport(Protocol):
    """A transport that can read commands as well."""

    def open_commands(self, sink: Webhook, *, seconds: float) -> AbstractAsyncContextManager[CommandSource]:
        """Connect and start to read `sink.commands`. `seconds` bounds each exchange with the broker. Raises any error of
        the broker's library, also inside the block."""
