"""Faults that are injected into chosen requests, and the choice of the requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Kind = Literal["delay", "drop", "lost_answer", "status", "not_ok", "garbage", "truncated", "half_close"]


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A fault, and the requests that it strikes.

    | kind | what the client sees |
    |---|---|
    | `delay` | the answer comes `seconds` later |
    | `drop` | the connection is closed without an answer (`reset`: with a TCP reset) |
    | `lost_answer` | the same, but the call has taken effect |
    | `status` | `status` with `description` and `parameters`; without a description 502 and 504 are HTML pages |
    | `not_ok` | status 200 with `{"ok": false}`, `status` as its error code |
    | `garbage` | status 200 with `body`, which is not JSON |
    | `truncated` | the right headers and half of the body, then the end of the connection |
    | `half_close` | half of the body, then `seconds` of silence, then the end of the connection |

    `token` and `method` choose the requests (all when empty), `skip` lets that many pass first, `count` ends the fault
    after that many hits (never when None). `is_applied` lets the call take effect although the client gets an
    error; `lost_answer`, `truncated` and `half_close` always do.
    """

    kind: Kind
    token: str = ""
    method: str = ""
    skip: int = 0
    count: int | None = None
    seconds: float = 30.0
    status: int = 500
    description: str = ""
    parameters: dict[str, Any] = {}
    retry_after: int | None = None
    headers: dict[str, str] = {}
    body: str = "<<< this is not JSON >>>"
    is_applied: bool = False
    reset: bool = False
    id: int = 0
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """True when it has hit the maximum number of times."""
        return self.count is not None and self.hits >= self.count


class Faults:
    """The faults in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._last_id = 0

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __bool__(self) -> bool:
        return bool(self._faults)

    def add(self, fault: Fault) -> Fault:
        """Put a fault into force, give it an id and return it; its `hits` can be watched."""
        self._last_id += 1
        fault.id = self._last_id
        self._faults.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> int:
        """Lift one fault or all of them; returns how many there were."""
        before = len(self._faults)
        self._faults = [] if fault_id is None else [fault for fault in self._faults if fault.id != fault_id]
        return before - len(self._faults)

    def hit(self, token: str, method: str, *, after: int = 0) -> Fault | None:
        """The first fault, with an id above `after`, that strikes this request; spent ones are lifted."""
        for fault in self._faults:
            if fault.id <= after or (fault.token and fault.token != token):
                continue
            if fault.method and fault.method.lower() != method:
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            if fault.is_spent:
                self._faults.remove(fault)
            return fault
        return None
