"""The engine's end of one client."""

from __future__ import annotations

from typing import Any, Protocol

import trio

from rookery.log import get_logger

from ..protocol import Happened, Notice, Stop, Stored

INCOMING = 256
"""Maximum number of queued notices and events of one client, which sends one event at a time."""

log = get_logger("SESSION")


class Worker(Protocol):
    """The part of a worker process that its clients' ports use."""

    name: str
    end: str
    """Why the process ended, for people; empty while it lives."""

    @property
    def quitting(self) -> bool:
        """True once the engine has asked the process to end."""

    async def call(self, client: int, method: str, arguments: dict[str, Any]) -> Any:
        """Call a method of the client. Raises SendError."""

    def tell(self, frame: Stored | Stop) -> None:
        """Send a frame that expects no answer. Never blocks."""


class ClientPort:
    """The engine's end of one client. Iterate `events` for its notices and events, until its worker ends."""

    def __init__(self, worker: Worker, number: int) -> None:
        self.worker = worker
        self.number = number
        self._send, self.events = trio.open_memory_channel[Happened | Notice](INCOMING)

    async def call(self, method: str, **arguments: Any) -> Any:
        """Call the client. Raises SendError: NotConnected if nothing was sent, OutcomeUnknown if the worker ended."""
        return await self.worker.call(self.number, method, arguments)

    def stored(self, number: int) -> None:
        """Tell the client that its event is durable."""
        self.worker.tell(Stored(self.number, number))

    def stop(self) -> None:
        """Ask the client to disconnect; it then sends the notice `ended`."""
        self.worker.tell(Stop(self.number))

    def deliver(self, frame: Happened | Notice) -> None:
        """Queue a frame; the worker's reader calls this."""
        try:
            self._send.send_nowait(frame)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            log.warning(
                "a report of a client was dropped", worker=self.worker.name, kind=getattr(frame, "kind", "event")
            )

    def close(self) -> None:
        """Note that no more frames will come."""
        self._send.close()
