"""Reads commands from a Redis stream by a consumer group, which remembers which commands were settled.

An entry has a field `data` with the command's JSON document, or the command's fields themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import coredis
import coredis.exceptions
import msgspec

from ...model.webhook import Webhook
from .commands import DEAD, Command, CommandOutcome
from .target import BrokerAddress

CONSUMER = "rookery"
"""One name for all instances: the next reader also gets entries that were given out and not settled."""

_encode = msgspec.json.Encoder().encode


class RedisCommands:
    """Implements `CommandSource`."""

    def __init__(self, client: coredis.Redis[bytes], address: BrokerAddress, sink: Webhook) -> None:
        self._client = client
        self._address = address
        self._stream = sink.commands or ""
        self._group = f"rookery-{sink.id}"
        self._unsettled_after: bytes | str | None = "0"  # None: everything given out earlier was read once more

    async def open(self) -> None:
        """Make the group, and the stream if it may be made."""
        try:
            await self._client.xgroup_create(self._stream, self._group, "0", mkstream=self._address.may_create or None)
        except coredis.exceptions.StreamDuplicateConsumerGroupError:
            return
        except coredis.exceptions.ResponseError as error:
            if not self._address.may_create and "requires the key to exist" in str(error):
                raise RuntimeError(f"there is no stream {self._stream}, and the sink may not create it") from None
            raise

    async def fetch(self, limit: int, seconds: float) -> Sequence[Command]:
        """See `CommandSource.fetch`."""
        if self._unsettled_after is not None:
            found = await self._read(self._unsettled_after, limit, None)
            self._unsettled_after = found[-1].handle if found else None
            if found:
                return found
        return await self._read(">", limit, seconds)

    async def settle(self, settled: Sequence[tuple[Command, CommandOutcome]]) -> None:
        """See `CommandSource.settle`."""
        for command, outcome in settled:
            if outcome.error is not None:
                fields: dict[str | bytes, str | bytes | int | float] = {
                    "id": command.handle,
                    "error": outcome.error,
                    "data": command.body,
                }
                await self._client.xadd(
                    self._stream + DEAD, fields, nomkstream=None if self._address.may_create else True
                )
        if settled:
            await self._client.xack(self._stream, self._group, [command.handle for command, _ in settled])

    async def keep(self, held: Sequence[Command]) -> None:
        """See `CommandSource.keep`. The group gives nothing out again by itself."""

    async def _read(self, after: bytes | str, limit: int, seconds: float | None) -> list[Command]:
        found = await self._client.xreadgroup(
            self._group,
            CONSUMER,
            {self._stream: after},
            count=limit,
            block=None if seconds is None else max(1, int(1000 * seconds)),
        )
        return [
            Command(f"{self._stream}:{_text(entry.identifier)}", _body(entry.field_values or {}), entry.identifier)
            for entries in (found or {}).values()
            for entry in entries
        ]


def _body(fields: object) -> bytes:
    values = {_text(name): value for name, value in dict(fields).items()}  # type: ignore[call-overload]
    if isinstance(data := values.get("data"), bytes):
        return data
    return _encode({name: _text(value) for name, value in values.items()})


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
