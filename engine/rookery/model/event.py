"""An event of the log, before and after it is stored. Event ids are integers that grow in storage order."""

from __future__ import annotations

from typing import Any

import msgspec


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that a platform reported, before it is stored.

    `key` is unique within (session, `epoch`): the same key again is the same event. `chat` orders deliveries. `body`
    and `raw` are JSON bytes: the normalised fields, and the platform's own document.
    """

    key: str
    type: str
    time: float
    chat: str | None
    sender: str | None
    body: bytes
    raw: bytes
    epoch: int = 0


class _Stored(msgspec.Struct, frozen=True):
    id: int
    session: str
    platform: str
    type: str
    key: str
    time: float
    chat: str | None
    sender: str | None
    body: dict[str, Any] | msgspec.Raw
    raw: Any


_BODY, _RAW = _Stored.__dict__["body"], _Stored.__dict__["raw"]
_decode = msgspec.json.Decoder().decode


class Event(_Stored, frozen=True):
    """A stored event (F2). `id` grows in storage order and is the cursor of every reader.

    Stores give `body` and `raw` as `msgspec.Raw`, and the first reader of each decodes it: most events are passed by, and
    `raw` is seldom read. An undecoded event has nothing for the garbage collector to look through. msgspec's own functions
    see undecoded parts as they are: for an event as JSON use `rookery.model.document.EventDocument.of`.
    """

    @property  # type: ignore[misc]
    def body(self) -> dict[str, Any]:
        """The normalised fields."""
        body: Any = _BODY.__get__(self)
        if type(body) is msgspec.Raw:
            body = _document(bytes(body))
            body = body if isinstance(body, dict) else {"value": body}
            _BODY.__set__(self, body)
        return body  # type: ignore[no-any-return]

    @property  # type: ignore[misc]
    def raw(self) -> Any:
        """The platform's own document."""
        raw = _RAW.__get__(self)
        if type(raw) is msgspec.Raw:
            raw = _document(bytes(raw))
            _RAW.__set__(self, raw)
        return raw

    @property
    def size(self) -> int:
        """Bytes of JSON in `body` and `raw`. Raises RecursionError when they are nested almost too deeply to be read."""
        body, raw = _BODY.__get__(self), _RAW.__get__(self)
        size = len(body if type(body) is msgspec.Raw else msgspec.json.encode(body))
        return size + len(raw if type(raw) is msgspec.Raw else msgspec.json.encode(raw))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and _values(self) == _values(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        names = self.__struct_fields__
        return f"Event({', '.join(f'{name}={value!r}' for name, value in zip(names, _values(self), strict=True))})"


def _values(event: Event) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in event.__struct_fields__)


def _document(data: bytes) -> Any:
    """Decoded JSON. Data that is not JSON is returned as text: one odd row must not stop every reader of the log."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode(errors="replace") or None


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to read; ordered by id, `after` and `before` are exclusive. Types as in `rookery.model.subscription`.

    With `before`, a page has the newest events that fit instead of the oldest: for paging back.
    """

    after: int = 0
    before: int | None = None
    session: str | None = None
    sessions: tuple[str, ...] | None = None  # any of these; the sessions that one caller may see
    types: tuple[str, ...] | None = None  # names and patterns; None: every type, including quiet ones
    chat: str | None = None
    limit: int = 100
