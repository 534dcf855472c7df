"""Slows down guessing of keys: after some wrong keys from an address, each further one waits, and only a few may wait.

A key that has worked is never delayed by wrong keys from the same address, which may belong to a proxy.
"""

from __future__ import annotations

import ipaddress

import trio

from rookery.log import get_logger

from ..output.problems import Problem

FREE = 10
"""Wrong keys from one address that are answered at once."""
REGAIN = 6.0
"""Seconds after which one more wrong key is answered at once again."""
DELAY = 1.0
"""Seconds that a further wrong key waits for its answer."""
MOST_WAITING = 16
"""Maximum number of wrong keys of one address that wait at a time; further keys are refused unchecked."""
FORGET_ABOVE = 4096

log = get_logger("API")


class WrongKeys:
    """Counts wrong keys by the address that they come from; an IPv6 network counts as one."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # trio time at which all wrong keys are forgotten
        self._waiting: dict[str, int] = {}
        self._right: set[int] = set()

    def check(self, address: str, key: str) -> None:
        """Call before checking a key. Raises a Problem (429) for a key that never worked while too many others wait."""
        if self._waiting and self._waiting.get(source_of(address), 0) >= MOST_WAITING and hash(key) not in self._right:
            raise _too_many()

    def was_right(self, key: str) -> None:
        """Note a key that works: wrong keys from the same address do not delay it."""
        if len(self._right) >= FORGET_ABOVE:
            self._right.clear()
        self._right.add(hash(key))

    async def was_wrong(self, address: str) -> None:
        """Note a wrong key. Returns at once for the first ones; for later ones waits, then raises a Problem (429)."""
        source = source_of(address)
        if not self._count(source):
            return
        log.warning("wrong keys are slowed down", client=address)
        self._waiting[source] = self._waiting.get(source, 0) + 1
        try:
            await trio.sleep(DELAY)
        finally:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]
        raise _too_many()

    def _count(self, source: str) -> bool:
        """Count a wrong key; True when it exceeds the limit."""
        now = trio.current_time()
        self._until[source] = max(self._until.get(source, now), now) + REGAIN
        if len(self._until) > FORGET_ABOVE:
            self._until = {name: until for name, until in self._until.items() if until > now}
        over = self._until[source] - now > FREE * REGAIN
        if over:
            self._until[source] = now + FREE * REGAIN + REGAIN
        return over


def source_of(address: str) -> str:
    """The address that counts as one caller: the /64 network of an IPv6 address, otherwise the address itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _too_many() -> Problem:
    return Problem(
        429,
        "too-many-wrong-keys",
        "Too many wrong keys",
        "too many wrong keys came from this address",
        headers={"Retry-After": str(int(REGAIN))},
    )
