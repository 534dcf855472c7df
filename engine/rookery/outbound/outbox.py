"""The queue of one session's sends: in order per chat, several chats at once, fair between chats (F4).

The backlog is in the store; only the messages of the current window are in memory (`window`). A message is stored as
SENDING before its first byte leaves (`rounds`), so that after a crash it shows as `unknown` and is never silently sent
twice. This module takes in the messages that callers store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import trio

from ..errors import LeaseLost, StoreError, TerminalError
from ..model.message import OutboundMessage, Unfinished
from ..model.session import Lease
from ..provider.contract import Link
from ..services import Services
from .lanes import Lanes
from .record import SendRecord
from .rounds import Rounds
from .window import Window

UNSTORED = 1000
"""Number of remembered ids of messages whose storing was given up."""


class Outbox:
    """Belongs to the session's task, which attaches it to each link in turn."""

    __slots__ = (
        "_is_empty",
        "_lanes",
        "_lease",
        "_link",
        "_made",
        "_nursery",
        "_on_refused",
        "_platform",
        "_services",
        "_suspects",
        "_unstored",
        "record",
    )

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
        self._lease = lease
        self._platform = platform
        self._services = services
        self._on_refused = on_refused
        self._link: Link | None = None
        self._nursery: trio.Nursery | None = None
        self._made: Rounds | None = None
        self._is_empty = False  # nothing waited in the store when this link came up, and nothing was announced since
        self._unstored: dict[str, None] | None = None  # messages that their callers gave up storing
        self._suspects: Collection[str] = ()  # SENDING, but not handled here at the last `reconcile`

    @property
    def _rounds(self) -> Rounds:
        """Made when there is something to send: most of many idle sessions never send."""
        if self._made is None:
            self._made = Rounds(
                self._lease, self._platform, self._services, self.record, self._lanes, on_refused=self._on_refused
            )
            self._begin()
        return self._made

    @property
    def _window(self) -> Window:
        return self._rounds.window

    def attach(self, link: Link, nursery: trio.Nursery) -> None:
        """A link is up: send the waiting messages. The nursery is the link's own and ends with it."""
        self._link, self._nursery, self._is_empty = link, nursery, False
        if self._made is None:
            nursery.start_soon(self._look)
        else:
            self._begin()

    def _begin(self) -> None:
        if self._made is not None and self._link is not None and self._nursery is not None:
            self._made.attach(self._link, self._nursery)
            self._made.window.open(self._nursery, empty=self._is_empty)
            self._is_empty = False

    async def _look(self) -> None:
        """Send the messages that are stored already, if there are any. Raises LeaseLost."""
        try:
            if await self._services.store.pending_messages(self._lease, exclude=(), limit=1):
                self.wake()
            else:
                self._is_empty = True
        except LeaseLost:
            raise
        except StoreError:
            self.wake()  # the window reads them as soon as the store answers

    def detach(self) -> None:
        """The link is closing: begin nothing more."""
        self._link = self._nursery = None
        if self._made is not None:
            self._made.window.close()
            self._made.detach()

    async def settle(self) -> None:
        """After the last link, store the remaining outcomes. The caller bounds the time."""
        if self._made is not None:
            await self._made.places.released()
            await self._made.window.pay()

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
        unstored = self._unstored = self._unstored or {}
        unstored[id] = None
        if len(unstored) > UNSTORED:
            del unstored[next(iter(unstored))]
        self._window.owe(self.record.queued(id))
        self.wake()

    def wake(self) -> None:
        """Another task or engine may have stored rows."""
        self._is_empty = False
        self._window.wake()

    async def reconcile(self, stored: Unfinished) -> None:
        """Take over the messages that `stored` lists for this session and that should be handled here but are not.
        Works with or without a connection. Raises StoreError."""
        missing = {id for id in self._window.missing(stored.sending) if not self._rounds.places.is_reserved(id)}
        # Twice in a row, because the store may have been read just before its row changed.
        strays, self._suspects = missing.intersection(self._suspects), tuple(missing)
        if strays:
            never_left = strays.intersection(self._unstored or ())
            await self.record.resolve(requeue=never_left, interrupted=strays - never_left)
        if strays or (stored.queued and self._window.is_empty):
            self.wake()
