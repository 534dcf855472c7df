"""What the library writes into its own log about one client: the only place that names some of WhatsApp's answers."""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_FAILURE = re.compile(r"connect failure: .*<failure\b[^>]*?\breason=\"(\d{3})\"")
_SECONDS = re.compile(r"<failure\b[^>]*?\bexpire=\"(\d{1,12})\"")

_here = threading.local()


class LibraryLog:
    """Of one client. The library calls it from threads of its own."""

    def __init__(self) -> None:
        self.failure: int | None = None
        """WhatsApp's number of the reason in the last `<failure>`, also of one that the library does not know."""
        self.expires: int | None = None  # seconds that it named

    def read(self, text: str) -> None:
        """One line."""
        if found := _FAILURE.search(text):
            self.failure = int(found[1])
            seconds = _SECONDS.search(text)
            self.expires = int(seconds[1]) if seconds else None

    def __enter__(self) -> LibraryLog:
        """A client that this thread connects inside the block writes here."""
        _here.log = self
        return self

    def __exit__(self, *failure: object) -> None:
        _here.log = None


def listen(client_module: Any, entry: Any) -> None:
    """Let `LibraryLog` read along; `client_module` is `neonize.client`, `entry` its form of a line. Called once."""
    make: Callable[[Any], Any] = client_module.func_callback_bytes2

    def callback(function: Callable[[int, int], None]) -> Any:
        log: LibraryLog | None = getattr(_here, "log", None)

        def call(binary: int, size: int) -> None:
            if log is not None and binary and size > 0:
                with suppress(Exception):  # a line that cannot be read changes nothing
                    log.read(entry.FromString(ctypes.string_at(binary, size)).Message)
            function(binary, size)

        return make(call)

    client_module.func_callback_bytes2 = callback
