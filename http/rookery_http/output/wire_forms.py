"""Events in the forms that readers receive, encoded once for all readers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from rookery import model

from . import views

KEPT = 8 * 1024 * 1024
"""Bytes of each form that are cached for the other readers."""
CHUNK = 64 * 1024
"""Bytes that are joined for one write to a reader."""

Key = TypeVar("Key", bound=Hashable)
Form = TypeVar("Form")


class _Kept(Generic[Key, Form]):
    """The newest forms, bounded by their bytes."""

    def __init__(self) -> None:
        self._forms: dict[Key, tuple[Form, int]] = {}
        self._size = 0

    def get(self, key: Key) -> Form | None:
        found = self._forms.get(key)
        return None if found is None else found[0]

    def keep(self, key: Key, form: Form, size: int) -> Form:
        self._forms[key] = (form, size)
        self._size += size
        while self._size > KEPT:
            self._size -= self._forms.pop(next(iter(self._forms)))[1]
        return form

    def clear(self) -> None:
        self._forms.clear()
        self._size = 0


class WireForms:
    """Caches encoded events by id, and pages by their first and last event: neither ever changes."""

    def __init__(self) -> None:
        self._documents = _Kept[int, bytes]()
        self._chunks = _Kept[Hashable, Sequence[bytes]]()
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._readers = 0

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Every caller must hold this block while it asks for forms. When the last one leaves, the cache is emptied."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._documents.clear()
                self._chunks.clear()

    def json(self, event: model.Event) -> bytes:
        """The view of an event."""
        known = self._documents.get(event.id)
        if known is None:
            self._encoder.encode_into(views.Event.of(event), self._buffer)
            known = bytes(self._buffer)  # a copy: the buffer has up to half as much spare space at its end
            self._documents.keep(event.id, known, len(known))
        return known

    def chunks(self, page: Sequence[model.Event], query: Hashable) -> Sequence[bytes]:
        """A page of events as frames of server-sent events, several frames in each piece. `query` identifies the
        request: two readers with the same query and the same first and last event have the same page."""
        if len(page) == 1:
            return (self._frame(page[0]),)
        key = (query, page[0].id, page[-1].id)
        known = self._chunks.get(key)
        if known is None:
            known, piece = [], bytearray()
            for event in page:
                piece += self._frame(event)
                if len(piece) > CHUNK:
                    known.append(bytes(piece))
                    piece.clear()
            if piece:
                known.append(bytes(piece))
            self._chunks.keep(key, known, sum(map(len, known)))
        return known

    def _frame(self, event: model.Event) -> bytes:
        """One frame; JSON contains no newline, so one `data:` line is enough."""
        kind = event.type.replace("\n", " ").replace("\r", " ")
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.id, kind.encode(), self.json(event))
