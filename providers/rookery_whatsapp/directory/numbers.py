"""Asks WhatsApp which phone numbers have an account. It guesses nothing: the server resolves Brazil's ninth digit, Mexico's 1
and Argentina's 9, and answers with the account's own address."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import trio

from rookery.errors import InvalidInput
from rookery.model.directory import NumberCheck

from ..addresses import PHONE, normal
from ..memory import Memory

BATCH = 50  # numbers in one query
PAUSE = 1.0
"""Seconds between two queries: WhatsApp watches accounts that check many numbers."""
KEPT = 86_400.0  # seconds for which an answer is reused
MOST_KEPT = 20_000
MOST = 500
"""Maximum numbers in one request: even with the pauses, the answer comes within the caller's timeout."""


class NumberBook:
    """Number checks of one link; the session's memory keeps the answers."""

    def __init__(self, call: Callable[..., Awaitable[Any]], memory: Memory, now: Callable[[], float]) -> None:
        self._call = call
        self._now = now
        self._known = memory.numbers
        self._turn = trio.Lock()
        self._last = float("-inf")

    async def check(self, phones: Sequence[str]) -> list[NumberCheck]:
        """One answer for each requested number, in the same order. Raises InvalidInput, SendError."""
        if len(phones) > MOST:
            raise InvalidInput(f"phones: at most {MOST} at once", field="phones")
        digits = [_digits(phone) for phone in phones]
        async with self._turn:
            missing = [each for each in dict.fromkeys(digits) if not self._fresh(each)]
            for start in range(0, len(missing), BATCH):
                await trio.sleep_until(max(trio.current_time(), self._last + PAUSE))
                batch = missing[start : start + BATCH]
                answers = await self._call("check_numbers", phones=[f"+{each}" for each in batch])
                self._last = trio.current_time()
                self._keep(batch, msgspec.convert(answers, list[NumberCheck]))
        return [
            msgspec.structs.replace(self._known[each], phone=phone) for phone, each in zip(phones, digits, strict=True)
        ]

    def _fresh(self, digits: str) -> bool:
        known = self._known.get(digits)
        return known is not None and self._now() - known.checked_at < KEPT

    def _keep(self, batch: list[str], answers: list[NumberCheck]) -> None:
        found, now = {answer.phone: answer for answer in answers}, self._now()
        for digits in batch:
            known = found.get(digits) or NumberCheck(phone=digits, exists=False, chat=None, lid=None, checked_at=now)
            self._known[digits] = msgspec.structs.replace(known, checked_at=now)
            self._known.move_to_end(digits)
        while len(self._known) > max(MOST_KEPT, MOST):
            self._known.popitem(last=False)


def _digits(phone: str) -> str:
    address = normal(phone)
    if address is None or not address.endswith(f"@{PHONE}") or not re.match(r"[1-9][0-9]{5,14}@", address):
        raise InvalidInput(f"phones: {phone[:40]!r} is not a phone number with its country code", field="phones")
    return address.partition("@")[0]
