"""Interprets the library's errors. They are only text, so parts that may come from data are ignored: text in quotes is
an address or an answer, and a number is a status only in the library's own phrase at the end."""

from __future__ import annotations

import re

GONE = frozenset({403, 404, 410})
"""HTTP statuses of a file that WhatsApp has deleted."""

NO_FILE = (
    "didn't find any attachments in message",
    "no url present",
    "file too short",
    "hash of media ciphertext doesn't match",
    "hash of media plaintext doesn't match",
    "invalid media hmac",
)
"""Ends of errors about a file that will never be readable: the message, or the file itself, is broken."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_STATUS = re.compile(r"(?:server returned error|info query returned status|download failed with status code) (\d{3})\b")


class CallFailed(Exception):
    """`kind` as in `protocol.Failed`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def without_quotes(text: str) -> str:
    """The library's own words, without quoted text."""
    return _QUOTED.sub('""', text)


def status_of(text: str) -> int | None:
    """The server's status number, if the error reports one."""
    found = _STATUS.search(without_quotes(text))
    return int(found[1]) if found else None


UNKNOWN = ("timed out", "disconnected before", "websocket disconnected", "deadline exceeded", "context canceled")
NOT_CONNECTED = ("websocket not connected", "not logged in", "client is nil", "doesn't contain a device jid")


def refused(text: str) -> CallFailed:
    """The error for a failed query: the server refused it, limited its rate, or did not answer."""
    own = without_quotes(text).lower()
    if any(sign in own for sign in NOT_CONNECTED):
        return CallFailed("not_connected", text)
    if any(sign in own for sign in UNKNOWN):
        return CallFailed("unknown", text)
    return CallFailed("rate_limited" if status_of(text) == 429 else "refused", text)


def kind_of_download(text: str) -> str:
    """The kind of a failed download. It is safe to repeat, unless the file is gone or was never readable."""
    if status_of(text) in GONE:
        return "gone"
    return "rejected" if without_quotes(text).rstrip().endswith(NO_FILE) else "not_connected"
