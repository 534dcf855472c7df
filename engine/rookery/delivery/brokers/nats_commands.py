"""Reads commands from NATS JetStream with a durable pull consumer, which remembers settled commands across restarts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import nats.errors
import nats.js.errors
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig

from ...model.webhook import Webhook
from ...runtime.asyncio_thread import AsyncioThread
from .asyncio_commands import AsyncioCommands
from .asyncio_route import unless
from .commands import DEAD, Command, CommandOutcome

ACK_SECONDS = 30.0
"""After this time without a word the broker gives a command out again."""

MORE_SECONDS = 0.02
"""How long to wait for more commands after the first one."""

IN_FLIGHT = 2000
"""How many commands the broker gives out without an acknowledgement."""


class NatsCommands(AsyncioCommands):
    """Implements `CommandSource`."""

    def __init__(
        self, thread: AsyncioThread, connect: Callable[[], Awaitable[Any]], sink: Webhook, *, may_create: bool
    ) -> None:
        """`connect` returns what `NatsRoute.connect` does."""
        super().__init__(thread, connect, may_create=may_create)
        self._sink = sink
        self._subject = sink.commands or ""
        self._subscription: Any = None

    async def keep(self, held: Sequence[Command]) -> None:
        """See `CommandSource.keep`."""
        await self._thread.run(lambda: self._keep(held))

    async def _close(self) -> None:
        await self._connection[0].close()

    async def _open(self) -> None:
        self._connection = await self._connect()
        _, stream, closed = self._connection
        name = await unless(closed, self._stream(stream))
        self._subscription = await unless(
            closed,
            stream.pull_subscribe(
                self._subject,
                durable="rookery-" + re.sub(r"[^A-Za-z0-9_-]", "_", self._sink.id),
                stream=name,
                config=ConsumerConfig(
                    ack_policy=AckPolicy.EXPLICIT,
                    deliver_policy=DeliverPolicy.ALL,
                    ack_wait=ACK_SECONDS,
                    max_ack_pending=IN_FLIGHT,
                ),
            ),
        )

    async def _stream(self, stream: Any) -> str:
        try:
            found: str = await stream.find_stream_name_by_subject(self._subject)
        except nats.js.errors.NotFoundError:
            if not self._may_create:
                raise RuntimeError(f"no stream matches the subject {self._subject}") from None
            name = re.sub(r"[^A-Za-z0-9_-]", "_", self._subject)
            await stream.add_stream(StreamConfig(name=name, subjects=[self._subject, self._subject + DEAD]))
            return name
        return found

    async def _fetch(self, limit: int, seconds: float) -> Sequence[Command]:
        closed = self._connection[2]
        messages: list[Any] = []
        with contextlib.suppress(nats.errors.TimeoutError, TimeoutError):
            # One first: a request for many waits for all of them.
            messages += await unless(closed, self._subscription.fetch(1, timeout=seconds))
            if limit > 1:
                messages += await unless(closed, self._subscription.fetch(limit - 1, timeout=MORE_SECONDS))
        return [self._command(message) for message in messages]

    def _command(self, message: Any) -> Command:
        about = message.metadata
        given = (message.headers or {}).get("Nats-Msg-Id")
        # A stream that is made anew counts from 1 again, hence the time.
        made = f"{about.stream}:{about.sequence.stream}:{about.timestamp.timestamp():.6f}"
        return Command(given or made, message.data, message)

    async def _settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None:
        client, stream, closed = self._connection
        for command, outcome in settled:
            if outcome.error is None:
                await command.handle.ack()
                continue
            headers = {"Rookery-Error": outcome.error.encode("ascii", "replace").decode()}
            with contextlib.suppress(nats.js.errors.NoStreamResponseError):  # no stream takes refused commands
                await unless(closed, stream.publish(self._subject + DEAD, command.body, headers=headers))
            await command.handle.term()
        await unless(closed, client.flush())

    async def _keep(self, held: Sequence[Command]) -> None:
        for command in held:
            await command.handle.in_progress()
        await unless(self._connection[2], self._connection[0].flush())
