"""How long one exchange waits for its next bytes, and for its whole answer."""

from __future__ import annotations

import trio


class Patience:
    """Moves the deadline of an exchange's scope.

    Args:
        scope: of the exchange; its deadline is that of the first bytes.
        seconds: for the next bytes.
        body_seconds: for the whole answer, in addition.
        until: the time (of trio) that bounds everything.
    """

    def __init__(self, scope: trio.CancelScope, seconds: float, body_seconds: float, until: float) -> None:
        self._scope = scope
        self._seconds = seconds
        self._body_seconds = body_seconds
        self._until = until
        self._last = min(scope.deadline + body_seconds, until)

    def restart(self) -> None:
        """Another piece of the request is sent, or its last one has left: what follows has the whole time again."""
        self._scope.deadline = min(trio.current_time() + self._seconds, self._until)
        self._last = min(self._scope.deadline + self._body_seconds, self._until)

    def renew(self) -> None:
        """Bytes of the answer arrived: wait as long for the next ones."""
        self._scope.deadline = min(trio.current_time() + self._seconds, self._last)
