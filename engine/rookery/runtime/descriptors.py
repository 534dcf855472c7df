"""File descriptors: how many more sessions this process has room for, and which errors mean that none are left.

A Telegram session holds one connection for its long poll and, while it sends, another. Descriptors that sessions use
are not available to the database, the API and the worker processes. A share is therefore reserved, and a session that
would need it is not started.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator

import trio

from ..errors import LimitReached

PER_SESSION = 2
SHARE_KEPT_BACK = 0.25
"""Share of the limit that sessions may not use, between the two bounds below."""
LEAST_KEPT_BACK, MOST_KEPT_BACK = 16, 256
FRESH = 1.0
"""Seconds for which a count of the open descriptors stays valid."""
SCARCE = frozenset({errno.EMFILE, errno.ENFILE})


class DescriptorRoom:
    """How many more sessions have room. One per engine; fast, because it counts at most once a second."""

    def __init__(self) -> None:
        self._looked_at = -float("inf")
        self._open = 0

    def sessions(self, starting: int) -> int | None:
        """How many more sessions may start beside `starting` ones, which may not have opened their descriptors yet.
        None: no limit."""
        limit = descriptor_limit()
        if limit is None:
            return None
        now = trio.current_time()
        if now - self._looked_at > FRESH:
            self._looked_at, self._open = now, open_descriptors()
        kept = min(max(int(limit * SHARE_KEPT_BACK), LEAST_KEPT_BACK), MOST_KEPT_BACK)
        return max(0, (limit - kept - self._open) // PER_SESSION - starting)

    def admit(self) -> None:
        """Raises LimitReached when one more session would use the reserved descriptors."""
        if self.sessions(0) == 0:
            raise LimitReached(
                f"{self._open} files and connections are open and the limit is {descriptor_limit()}, of which a part is kept "
                "for the database and the API: raise it (ulimit -n, LimitNOFILE=, --ulimit nofile=) or stop another session",
                limit="nofile",
            )


def descriptor_limit() -> int | None:
    """The soft limit of this process; None without a limit."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def open_descriptors() -> int:
    """How many descriptors this process has open; an estimate where the system does not report it."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(directory))
        except OSError:
            continue
    return 32


def reason_of(error: BaseException) -> str:
    """The cause of an error for people, in the system's own words, even where a library hides them in a cause or a
    group.

    trio says "all attempts to connect failed" and keeps the errors of the attempts in a group behind it.
    """
    reasons = list(dict.fromkeys(_reasons(error)))
    return "; ".join(reasons) or str(error) or type(error).__name__


def _none_left() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno in SCARCE
    return False


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    elif error.__cause__ is not None and not (isinstance(error, OSError) and error.errno):
        yield from _leaves(error.__cause__)
    else:
        yield error


def _reasons(error: BaseException) -> Iterator[str]:
    for found in _leaves(error):
        leaf = found
        if isinstance(leaf, socket.gaierror) and _none_left():
            leaf = OSError(errno.EMFILE, "")  # the resolver could not open its files and reports the name as unknown
        if isinstance(leaf, OSError) and leaf.errno in SCARCE:
            yield f"{os.strerror(leaf.errno or 0)} (the limit is {descriptor_limit()}: ulimit -n)"
        elif isinstance(leaf, OSError) and leaf.strerror:
            yield leaf.strerror
        else:
            yield str(leaf)
