"""A store that notes the states that are written, and submits of several messages at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rookery import Engine, OutboundMessage
from rookery.model.message import Recorded, SendOutcome
from rookery.model.session import Lease
from support.engines.sends import numbers
from support.fake_platform import TroubledStore, text_of

Write = list[tuple[str, str]]
"""The text and the new state of each message in one write."""


class WrittenStore(TroubledStore):
    """Notes the writes of states. `error` is raised by the next one in which an outcome and a beginning come together."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.writes: list[Write] = []
        self.stored: list[tuple[str, str]] = []
        self.error: Exception | None = None
        self.before_write: Callable[[], Awaitable[None]] | None = None
        self.after_write: Callable[[], Awaitable[None]] | None = None

    async def record_sends(self, lease: Lease, outcomes: Sequence[SendOutcome], *, announce: bool = False) -> Recorded:
        write = [(text_of(await self.inner.get_message(one.id)), one.state.value) for one in outcomes]
        self.writes.append(write)
        if self.before_write is not None:
            await self.before_write()
        error = self.error
        if error is not None and len({state for _, state in write}) > 1:
            self.error = None
            raise error
        recorded = await self.inner.record_sends(lease, outcomes, announce=announce)
        refused = {text for (text, _), one in zip(write, outcomes, strict=True) if one.id in recorded.refused}
        self.stored += [each for each in write if each[0] not in refused]
        if self.after_write is not None:
            await self.after_write()
        return recorded


async def submit_together(engine: Engine, texts: Sequence[str], *, to: str = "7", **fields: Any) -> list[str]:
    answers = await engine.submit_batch("a", [{"to": to, "text": text, **fields} for text in texts])
    assert all(isinstance(answer, OutboundMessage) for answer in answers)
    return [answer.id for answer in answers if isinstance(answer, OutboundMessage)]


def in_order(count: int, *, first: int = 1) -> list[tuple[str, str]]:
    """What is stored about so many messages of one chat of which the first was stored as SENDING at once."""
    states = [(text, state) for text in numbers(count, first=first) for state in ("sending", "sent")]
    return states[1:]
