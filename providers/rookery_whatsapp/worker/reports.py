"""Hands the library's reports to their handlers, one after another on the thread that called `connect`."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError
from neonize.events import INT_TO_EVENT
from neonize.proto.Neonize_pb2 import HistorySync

from . import history
from .channel import EngineGone
from .events import encoding, unreadable
from .events.handlers import HANDLERS
from .events.reporter import Reporter

CONNECTED = 0
"""The number of the library's first report on a connection: the account."""


class Reports:
    """Owned by a `Client`, which is the `Reporter`. `want` is the setting `history`; `on_account` gets neonize's account."""

    def __init__(self, client: Reporter, want: str, on_account: Callable[[Any], None]) -> None:
        self._client = client
        self._want = want
        self._on_account = on_account
        self._running = 0
        self._last = time.monotonic()

    def subscribe(self, library: Any) -> None:
        """Register the handlers at a client of the library."""
        library.event.execute = lambda number, binary, size, code: self.take(code, ctypes.string_at(binary, size))
        for kind, handler in HANDLERS.items():
            library.event(kind)(self.guarded(handler))
        if self._want != "none":
            # `take` gets the bytes before they are parsed.
            library.event(HistorySync)(self.guarded(lambda *_: None))

    def quiet(self, seconds: float) -> bool:
        """True when no handler is running, and none has run for this long."""
        return not self._running and time.monotonic() - self._last >= seconds

    def take(self, code: int, data: bytes) -> None:
        """Handle one report of the library with the number `code`. No report may be lost: an unreadable one is stored too."""
        kind = INT_TO_EVENT.get(code)
        if kind is None:
            return
        handlers = self._client.library.event.list_func
        if code == history.CODE:
            full = self._want == "full"
            self.guarded(lambda client, _: history.receive(client, data, full=full))(None, None)
            return
        try:
            event = encoding.mend(kind.FromString(data))
        except (DecodeError, RecursionError, ValueError) as error:
            if code in handlers:
                unread = unreadable.describe(self._client, kind, data, f"{type(error).__name__}: {error}")
                self.guarded(lambda client, _: client.store(unread))(None, None)
            return
        if code == CONNECTED:
            self._on_account(event)
        elif (handler := handlers.get(code)) is not None:
            handler(self._client.library, event)

    def guarded(self, handler: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """Wrap a handler for the library. A report that the handler cannot describe is stored unchanged."""

        def call(_: Any, event: Any) -> None:
            self._running += 1
            try:
                try:
                    handler(self._client, event)
                except EngineGone:
                    raise
                except Exception as error:
                    reason = f"{type(error).__name__}: {error}"
                    self._client.tell("trouble", {"error": reason, "event": type(event).__name__})
                    if event is not None:
                        data = event.SerializePartialToString()
                        self._client.store(unreadable.describe(self._client, type(event), data, reason))
            except EngineGone:
                pass
            finally:
                self._running -= 1
                self._last = time.monotonic()

        return call
