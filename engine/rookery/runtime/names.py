"""Resolves host names to addresses and connects to hosts.

The system's resolver blocks a thread for up to 20 s when the network drops its queries. Look-ups therefore use other
threads than files and databases, each name is looked up only once at a time, and names that did not answer in time
share a few threads of their own, so they cannot block names that work.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from socket import getaddrinfo

import outcome
import trio

KEEP_SECONDS = 30.0
"""How long the addresses of a name are used while connections to them succeed; the system's resolver does not report how
long its records are valid."""

KEEP_FAILURE_SECONDS = 2.0
SLOW_SECONDS = 3.0
"""A slower look-up gives its place to others, and the next look-up of this name waits among the slow ones."""

PLACES = 64
"""Maximum number of concurrent look-ups."""

SLOW_PLACES = 16
"""Maximum number of concurrent look-ups of names that were slow."""

ROOM_SECONDS = 0.25
"""Seconds after which a name that found no free place tries again: a look-up that becomes slow frees its place."""

REMEMBERED = 4096
"""Maximum number of remembered names."""

NEXT_ADDRESS_SECONDS = 0.25
"""How long one address is tried alone before the next is tried in parallel (RFC 8305)."""

Found = list[str] | OSError


class _LookUp:
    """One running look-up, shared by all callers that ask for the same name."""

    def __init__(self, was_slow: bool) -> None:
        self.began = trio.current_time()
        self.was_slow = was_slow
        self.done = trio.Event()
        self.result: Found = OSError("the look-up did not end")

    @property
    def is_slow(self) -> bool:
        return self.was_slow or trio.current_time() - self.began >= SLOW_SECONDS


class Names:
    """The look-ups of one trio run. Only `names()` creates it."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Found]] = {}
        self._pending: dict[str, _LookUp] = {}
        self._slow: set[str] = set()
        self._ended = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    async def addresses(self, host: str) -> list[str]:
        """The IP addresses of `host`, in the order of preference. The caller sets the deadline. Raises OSError."""
        with suppress(ValueError):
            ipaddress.ip_address(host.partition("%")[0])
            return [host]
        while True:
            known = self._known.get(host)
            if known is not None and trio.current_time() < known[0]:
                return _addresses(known[1])
            pending = self._pending.get(host) or self._begin(host)
            if pending is not None:
                await pending.done.wait()
                return _addresses(pending.result)
            with trio.move_on_after(ROOM_SECONDS):
                await self._ended.wait()

    @contextmanager
    def trying(self, host: str) -> Iterator[None]:
        """The block connects to the addresses of `host`. If it fails or is cancelled they may be outdated, so the name is
        looked up again soon: a service that has moved is found without waiting for `KEEP_SECONDS`."""
        connected = False
        try:
            yield
            connected = True
        finally:
            if not connected and (known := self._known.get(host)) is not None:
                soon = trio.current_time() + KEEP_FAILURE_SECONDS
                self._known[host] = (min(known[0], soon), known[1])

    def _begin(self, host: str) -> _LookUp | None:
        """Start a look-up; None when no place is free."""
        was_slow = host in self._slow
        same = sum(pending.is_slow == was_slow for pending in self._pending.values())
        if same >= (SLOW_PLACES if was_slow else PLACES):
            return None
        pending = self._pending[host] = _LookUp(was_slow)

        def deliver(result: outcome.Outcome[Found]) -> None:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._end, host, pending, result.unwrap())

        trio.lowlevel.start_thread_soon(partial(_look_up, host), deliver, "look up a host name")
        return pending

    def _end(self, host: str, pending: _LookUp, result: Found) -> None:
        failed = isinstance(result, OSError)
        now = trio.current_time()
        if now - pending.began >= SLOW_SECONDS:
            self._slow.add(host)
        else:
            self._slow.discard(host)
        del self._pending[host]
        self._known.pop(host, None)
        self._known[host] = (now + (KEEP_FAILURE_SECONDS if failed else KEEP_SECONDS), result)
        if len(self._known) > REMEMBERED:
            oldest = next(iter(self._known))
            self._slow.discard(oldest)
            del self._known[oldest]
        pending.result = result
        pending.done.set()
        self._ended.set()
        self._ended = trio.Event()


def _addresses(found: Found) -> list[str]:
    """Raises OSError, a new one each time: raising the same exception twice would grow its traceback."""
    if isinstance(found, OSError):
        raise type(found)(*found.args)
    return list(found)


def _look_up(host: str) -> Found:
    """Runs in a thread. Never raises."""
    try:
        found = getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        return socket.gaierror(socket.EAI_NONAME, f"{host[:80]!r} is not a host name: {error}")
    except OSError as error:
        return error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


_names: trio.lowlevel.RunVar[Names] = trio.lowlevel.RunVar("rookery names")


def names() -> Names:
    """The look-ups of this trio run."""
    try:
        return _names.get()
    except LookupError:
        found = Names()
        _names.set(found)
        return found


async def open_stream(host: str, port: int) -> trio.SocketStream:
    """A connection to the first address of `host` that answers. The caller sets the deadline and owns the stream.

    Raises OSError, with the errno of the last address that failed.
    """
    addresses = await names().addresses(host)
    with names().trying(host):
        return await connect_to(addresses, port)


async def connect_to(addresses: list[str], port: int) -> trio.SocketStream:
    """A connection to the first of these addresses that answers; attempts start a moment apart. Raises OSError."""
    if len(addresses) == 1:
        return await _connect(addresses[0], port)
    winner: trio.SocketStream | None = None
    error: OSError = OSError("there is no address")

    async with trio.open_nursery() as nursery:

        async def attempt(address: str, failed: trio.Event) -> None:
            nonlocal winner, error
            try:
                stream = await _connect(address, port)
            except OSError as caught:
                error = caught
                failed.set()
                return
            if winner is None:
                winner = stream
                nursery.cancel_scope.cancel()
            else:
                stream.socket.close()

        for address in addresses:
            failed = trio.Event()
            nursery.start_soon(attempt, address, failed)
            with trio.move_on_after(NEXT_ADDRESS_SECONDS):
                await failed.wait()
    if winner is None:
        raise error
    return winner


async def _connect(address: str, port: int) -> trio.SocketStream:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = trio.socket.socket(family, socket.SOCK_STREAM)
    try:
        await sock.connect((address, port))  # the address is numeric, so trio makes no resolver query
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)
