"""Calls of instances to each other, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from ...model.instance import InstanceCall
from .base import PostgresBase

T = TypeVar("T")

LARGE = 256 * 1024
"""Arguments of at least this many bytes are encrypted and decrypted in a thread, so that they do not block the event
loop."""

_SUBMIT = """
    WITH stored AS (
        INSERT INTO rookery.calls (id, owner, method, arguments, deadline)
        VALUES ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5)) ON CONFLICT (id) DO NOTHING RETURNING owner
    )
    SELECT rookery.notify_1('calls', owner) FROM stored"""
# Overdue calls stay a minute longer, so that their callers find out whether they were taken.
_TAKE = """
    WITH overdue AS (
        DELETE FROM rookery.calls WHERE number IN (
            SELECT number FROM rookery.calls WHERE deadline < clock_timestamp() - interval '1 minute'
            FOR UPDATE SKIP LOCKED)
    ),
    waiting AS (
        SELECT number FROM rookery.calls WHERE owner = $1 AND NOT taken AND deadline > clock_timestamp()
        ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE rookery.calls AS c SET taken = true FROM waiting WHERE c.number = waiting.number
    RETURNING c.number, c.id, c.owner, c.method, c.arguments,
              extract(epoch FROM c.deadline - clock_timestamp())::double precision"""
_ANSWER = """
    WITH answered AS (
        UPDATE rookery.calls SET answer = $2 WHERE id = $1 AND deadline > clock_timestamp() RETURNING id
    )
    SELECT id, rookery.notify_1('call', id) FROM answered"""
_FETCH = "DELETE FROM rookery.calls WHERE id = $1 AND answer IS NOT NULL RETURNING answer"
_WITHDRAW = "DELETE FROM rookery.calls WHERE id = $1 RETURNING taken"


class PostgresCalls(PostgresBase):
    """Implements `CallStore`."""

    async def submit_call(self, call: InstanceCall) -> None:
        sealed = await _quietly(self._secrets.encrypt_bytes, call.arguments)
        await self._db.row(_SUBMIT, call.id, call.owner, call.method, sealed, call.seconds)

    async def take_calls(self, owner: str, *, limit: int) -> Sequence[InstanceCall]:
        def read(row: Any) -> tuple[int, InstanceCall]:
            number, id, owner, method, sealed, seconds = row
            return number, InstanceCall(id=id, owner=owner, method=method, arguments=sealed, seconds=seconds)

        rows = await self._all(_TAKE, owner, limit, of=read)
        return [
            msgspec.structs.replace(call, arguments=await _quietly(self._secrets.decrypt_bytes, call.arguments))
            for _, call in sorted(rows, key=lambda row: row[0])
        ]

    async def answer_call(self, id: str, answer: bytes) -> bool:
        sealed = await _quietly(self._secrets.encrypt_bytes, answer)
        return await self._db.row(_ANSWER, id, sealed) is not None

    async def fetch_answer(self, id: str) -> bytes | None:
        sealed = await self._value(_FETCH, id)
        return None if sealed is None else await _quietly(self._secrets.decrypt_bytes, sealed)

    async def withdraw_call(self, id: str) -> bool:
        return await self._value(_WITHDRAW, id) is False


async def _quietly(function: Callable[[bytes], T], data: bytes) -> T:
    """Call the function here, or in a thread when it takes long."""
    return function(data) if len(data) < LARGE else await trio.to_thread.run_sync(function, data)
