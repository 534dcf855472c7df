"""The queue of one session's sends: in order per chat, several chats at once, fair between chats (F4).

The backlog is in the store; only the messages of the current window are in memory (`window`). A message is stored as
SENDING before its first byte leaves (`rounds`), so that after a crash it shows as `unknown` and is never silently sent
twice. This module takes in the messages that callers store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from ..errors import TerminalError
from ..model.message import OutboundMessage, Unfinished
from ..model.session import Lease
from ..provider.contract import Link
from ..services import Services
from .lanes import Lanes
from .record import SendRecord
from .rounds import Rounds

UNSTORED = 1000
"""Number of remembered ids of messages whose storing was given up."""


class Outbox:
    """Belongs to the session's task, which attaches it to each link in turn."""

    def __init__(
        self,
        lease: Lease,
        platform: str,
        services: Services,
        *,
        on_refused: Callable[[TerminalError], object],
        answers_query: Callable[[str], bool] | None = None,
    ) -> None:
        """`on_refused` is called when the platform refuses the session itself; the link has to end then. `answers_query`:
        see `Lanes`."""
        self._lanes = Lanes(answers_query)
        self.record = SendRecord(lease, platform, services)
        self._rounds = Rounds(lease, platform, services, self.record, self._lanes, on_refused=on_refused)
        self._window = self._rounds.window
        self._unstored: dict[str, None] = {}  # messages that their callers gave up storing
        self._suspects: Collection[str] = ()  # SENDING, but not handled here at the last `reconcile`

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: send the waiting messages. The nursery is the link's own and ends with it."""
        self._rounds.attach(link, nursery)
        self._window.open(nursery)

    def detach(self) -> None:
        """The link is closing: begin nothing more."""
        self._window.close()
        self._rounds.detach()

    async def settle(self) -> None:
        """After the last link, store the remaining outcomes. The caller bounds the time."""
        await self._rounds.settled()
        await self._window.pay()

    def reserve(self, message: OutboundMessage) -> bool:
        """A message is about to be stored: try to reserve the next place in its lane. `accept` or `withdraw` must
        follow.

        True: it would be sent at once, so it may be stored as SENDING right away (one write less). False: store it as
        QUEUED.
        """
        lane = self._lanes.of(message)
        if self._window.is_free(lane) and self._rounds.reserve(message):
            self._window.reserve(lane)
            return True
        self._window.expect(message.id)
        return False

    def withdraw(self, message: OutboundMessage, *, reserved: bool) -> None:
        """The message was not stored."""
        if reserved:
            self._rounds.withdraw(message.id)
            self._window.release(self._lanes.of(message))
        else:
            self._window.forget(message.id)

    def accept(self, message: OutboundMessage, *, reserved: bool) -> None:
        """The message was just stored."""
        if reserved:
            self._rounds.begin(self._window.fill(message))
        else:
            self._window.offer(message)

    def doubt(self, id: str) -> None:
        """A message may have been stored, or may still be; the store did not answer. It is sent as soon as it is
        found."""
        self._unstored[id] = None
        if len(self._unstored) > UNSTORED:
            del self._unstored[next(iter(self._unstored))]
        self._window.owe(self.record.queued(id))
        self.wake()

    def wake(self) -> None:
        """Another task or engine may have stored rows."""
        self._window.wake()

    async def reconcile(self, stored: Unfinished) -> None:
        """Take over the messages that `stored` lists for this session and that should be handled here but are not.
        Works with or without a connection. Raises StoreError."""
        missing = {id for id in self._window.missing(stored.sending) if not self._rounds.is_storing(id)}
        # Twice in a row, because the store may have been read just before its row changed.
        strays, self._suspects = missing.intersection(self._suspects), tuple(missing)
        if strays:
            never_left = strays & self._unstored.keys()
            await self.record.resolve(requeue=never_left, interrupted=strays - never_left)
        if strays or (stored.queued and self._window.is_empty):
            self.wake()
