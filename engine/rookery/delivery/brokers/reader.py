"""Reads the commands of one sink and has them carried out, in order within a session, until the sink's duty ends."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from ...log import get_logger
from ...model.webhook import Webhook
from ..tally import Notes
from .commands import FETCH_SECONDS, Command, CommandOutcome, CommandSource, CommandTransport, OnCommands
from .target import parse_address
from .words import words_of

WINDOW = 500
"""Maximum number of commands in memory."""

AGAIN_SECONDS = 1.0
"""Pause before commands that could not be stored are carried out again."""

RECONNECT_DELAYS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds; the last one repeats

log = get_logger("DELIVERY")


class CommandReader:
    """The dispatcher owns its task. It runs where the sink's events are delivered, so one instance at a time reads; two
    that overlap for a moment do no harm, since each command has one key."""

    def __init__(
        self,
        sink: Webhook,
        transport: CommandTransport,
        carry_out: OnCommands,
        notes: Notes,
        *,
        seconds: float,
    ) -> None:
        """`seconds` bounds each exchange with the broker."""
        self._sink = sink
        self._transport = transport
        self._carry_out = carry_out
        self._notes = notes
        self._seconds = seconds
        self._closing = False
        self._waiting: trio.CancelScope | None = None
        self._idle = trio.Event()
        self._idle.set()

    async def close(self) -> None:
        """Start no further command and return when none is under way. The caller sets the deadline."""
        self._closing = True
        if self._waiting is not None:
            self._waiting.cancel()
        await self._idle.wait()

    async def run(self) -> None:
        """Read until cancelled or closed."""
        failures = 0
        while not self._closing:
            try:
                async with self._transport.open_commands(self._sink, seconds=self._seconds) as source:
                    if failures:
                        log.info("commands are read again", sink=self._sink.id)
                    failures = 0
                    await self._read(source)
            except Exception as error:  # any error that a broker makes a library raise
                words = words_of(error, parse_address(self._sink.url))
                if not failures:
                    log.warning("commands cannot be read", sink=self._sink.id, error=words)
                self._notes.add_commands(self._sink.id, error=words)
                delay = RECONNECT_DELAYS[min(failures, len(RECONNECT_DELAYS) - 1)]
                failures += 1
                await self._sleep(delay)

    async def _read(self, source: CommandSource) -> None:
        held: Sequence[Command] = ()
        while not self._closing:
            found: Sequence[Command] = ()
            with trio.CancelScope() as self._waiting:
                if len(held) >= WINDOW:
                    await trio.sleep(AGAIN_SECONDS)
                else:
                    wait = AGAIN_SECONDS if held else FETCH_SECONDS
                    with trio.fail_after(wait + self._seconds):  # a broker may have gone silent
                        found = await source.fetch(WINDOW - len(held), wait)
            self._waiting = None
            if self._closing or not (held or found):
                continue
            self._idle = trio.Event()
            try:
                # Held commands come first, so that those of a session stay in order.
                held = await self._carry(source, [*held, *found])
            finally:
                self._idle.set()

    async def _carry(self, source: CommandSource, commands: Sequence[Command]) -> Sequence[Command]:
        """Returns the commands that have to be carried out again."""
        outcomes = await self._carry_out(self._sink, commands)
        settled: list[tuple[Command, CommandOutcome]] = []
        held: list[Command] = []
        for command, outcome in zip(commands, outcomes, strict=True):
            if outcome.is_final:
                settled.append((command, outcome))
                if outcome.error is not None:  # said before it is settled: better twice than never
                    log.warning("a command was refused", sink=self._sink.id, error=outcome.error)
            else:
                held.append(command)
        with trio.fail_after(self._seconds):
            await source.settle(settled)
        for _, outcome in settled:  # counted once: what could not be settled comes again
            self._notes.add_commands(self._sink.id, refused=outcome.error, accepted=outcome.error is None)
        if held:
            with trio.fail_after(self._seconds):
                await source.keep(held)
        return held

    async def _sleep(self, seconds: float) -> None:
        with trio.move_on_after(seconds) as self._waiting:
            await trio.sleep_forever()
        self._waiting = None
