"""Remembers the second address of accounts: each has a phone number and a hidden address (lid)."""

from __future__ import annotations

from collections.abc import Callable

FORMS_KEPT = 10_000
"""Maximum number of accounts whose other address is remembered."""


class OtherForms:
    """Owned by a client. `ask(address, hidden)` asks the library for the other address; empty if it is unknown."""

    def __init__(self, ask: Callable[[str, bool], str]) -> None:
        self._ask = ask
        self._known: dict[str, str] = {}

    def complete(self, phone: str, lid: str) -> tuple[str, str]:
        """An account's (phone, lid) addresses; an empty one is looked up."""
        given = phone or lid
        if (phone and lid) or not given:
            return phone, lid
        if given not in self._known:
            if not (other := self._ask(given, not phone)):
                return phone, lid
            if len(self._known) >= FORMS_KEPT:
                self._known.clear()
            self._known[given] = other
        return (phone, self._known[given]) if phone else (self._known[given], lid)
