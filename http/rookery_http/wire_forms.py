"""Events as JSON, made once however many readers get them."""

from __future__ import annotations

import msgspec

from rookery import model

from . import views

KEPT = 8 * 1024 * 1024
"""Bytes that are kept for the other readers."""


class WireForms:
    """An event never changes, so its id is enough to find its JSON."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._size = 0

    def json(self, event: model.Event) -> bytes:
        """The view of an event."""
        known = self._known.get(event.id)
        if known is None:
            known = msgspec.json.encode(views.Event.of(event))
            self._known[event.id] = known
            self._size += len(known)
            while self._size > KEPT:
                self._size -= len(self._known.pop(next(iter(self._known))))
        return known
