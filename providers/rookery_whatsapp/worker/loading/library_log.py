"""Reads the library's own log about one client: some of WhatsApp's answers appear only there."""

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
    """The log of one client. The library calls it from its own threads."""

    def __init__(self) -> None:
        self.failure: int | None = None
        """WhatsApp's code for the reason in the last `<failure>`, even if the library does not know it."""
        self.expires: int | None = None  # seconds, as given in the failure
        self.passkey = False  # whether WhatsApp asked for the account's passkey in a form that the library cannot read

    def read(self, text: str) -> None:
        """Read one line."""
        if "passkey" in text:
            self.passkey = True
        if found := _FAILURE.search(text):
            self.failure = int(found[1])
            seconds = _SECONDS.search(text)
            self.expires = int(seconds[1]) if seconds else None

    def __enter__(self) -> LibraryLog:
        """Inside the block, the log of a client that this thread connects goes here."""
        _here.log = self
        return self

    def __exit__(self, *failure: object) -> None:
        _here.log = None


def listen(client_module: Any, entry: Any) -> None:
    """Let `LibraryLog` read the log. `client_module` is `neonize.client`, `entry` its type for a log line. Call once."""
    make: Callable[[Any], Any] = client_module.func_callback_bytes2

    def callback(function: Callable[[int, int], None]) -> Any:
        log: LibraryLog | None = getattr(_here, "log", None)

        def call(binary: int, size: int) -> None:
            if log is not None and binary and size > 0:
                with suppress(Exception):  # an unreadable line is ignored
                    log.read(entry.FromString(ctypes.string_at(binary, size)).Message)
            function(binary, size)

        return make(call)

    client_module.func_callback_bytes2 = callback
