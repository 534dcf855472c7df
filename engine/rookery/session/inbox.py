"""The engine's side of a link: commits events and reports states."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from time import perf_counter

import trio

from ..errors import StoreUnavailable
from ..model.chat import NEWEST
from ..model.document import content_document
from ..model.event import NewEvent
from ..model.message import MessageState
from ..model.session import Action, Lease, ProofOfLife, Reason, Session, SessionStatus
from ..outbound.receipts import Confirmations
from ..provider.capabilities import Pairing
from ..provider.contract import Recalled
from ..runtime.signals import Flag
from ..services import Services

RECALLED = 500
"""Maximum number of messages of one chat that a link can look back."""
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0)  # seconds; the last one repeats


class SessionInbox:
    """`provider.Inbox` of one session. Lives as long as the session's task, across its links."""

    __slots__ = (
        "_allowance",
        "_clock",
        "_closing",
        "_confirmations",
        "_go",
        "_lease",
        "_on_credentials",
        "_paused",
        "_platform",
        "_report",
        "_settings",
        "_shields",
        "_signals",
        "_store",
        "_telemetry",
        "_trouble",
        "cursor",
        "life",
        "media",
        "stored",
        "trusted_until",
    )

    def __init__(
        self,
        lease: Lease,
        session: Session,
        services: Services,
        *,
        report: Callable[..., None],
        trouble: Callable[[str | None], None],
        on_credentials: Callable[[Mapping[str, str]], None],
        confirmations: Confirmations,
    ) -> None:
        self._lease = lease
        self._platform = session.platform
        self._store = services.store
        self._settings = services.settings
        self._shields = services.shields
        self._signals = services.signals
        self._telemetry = services.telemetry
        self._clock = services.clock
        self._report = report
        self._trouble = trouble
        self._on_credentials = on_credentials
        self._confirmations = confirmations
        self.media = services.vault.local
        self.cursor = session.cursor
        self.trusted_until = float("inf")
        self.life = ProofOfLife()
        self.stored = 0  # events committed here, including repetitions
        self._allowance = 0.0 if services.settings.max_event_backlog else float("inf")
        self._paused = False
        self._closing = False
        self._go = Flag()

    @property
    def paused(self) -> bool:
        """True while commits are held back because of the backlog."""
        return self._paused

    @property
    def uncounted(self) -> bool:
        """True when the backlog has to be counted before more is stored."""
        return self._allowance <= 0

    def allow(self, events: float) -> None:
        """The session may store this many events before its backlog must be counted again."""
        self._allowance = events
        self._wake()

    def pause(self) -> None:
        """From now on, a commit of events returns only after `resume`. Its events are durable before it waits, and the
        link asks the source for more only afterwards, so nothing is lost."""
        self._paused = True

    def resume(self) -> None:
        """Let commits continue."""
        self._paused = False
        self._wake()

    def open(self) -> None:
        """A link begins: the events that it receives count."""
        self._closing = False
        if self.uncounted:
            self._signals.uncounted.fire()

    def close(self) -> None:
        """The link ends: events that it stores from here on are not held back."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        self._go.set()
        self._go = Flag()

    async def _permission(self) -> None:
        """Return when the backlog leaves room. A session that starts is counted before its first event is stored, so
        that restarts cannot bypass the limit."""
        while not self._closing and (self._paused or self._allowance <= 0):
            if not self._paused:
                self._signals.uncounted.fire()
                self._signals.backlog.fire()
            await self._go.wait()

    async def commit(self, events: Sequence[NewEvent], cursor: str | None) -> None:
        """See `provider.Inbox.commit`. While the store does not answer, it retries: nothing was acknowledged to the
        source, so waiting loses nothing, and stopping the session ends the wait."""
        if events and (self._paused or self._allowance <= 0):
            await self._permission()
        attempt = 0
        while True:
            try:
                # A cancelled commit may have happened, and repeating it would be harmless; the shield only spares a
                # normal stop from repeating it. The shield's bound keeps a dead database from delaying a shutdown.
                with self._shields.open(self._settings.store_timeout) as scope:
                    started = perf_counter()
                    await self._store.append(self._lease, events, cursor)
                    self._telemetry.observe("commit", perf_counter() - started, self._platform)
                if scope.cancelled_caught:
                    raise StoreUnavailable(f"storing events took longer than {self._settings.store_timeout:g} s")
                break
            except StoreUnavailable as error:
                self._trouble(str(error))
                await trio.sleep(RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)])
                attempt += 1
        if attempt:
            self._trouble(None)
        if cursor is not None:
            self.cursor = cursor
        if events:
            self._telemetry.count("events_stored", self._platform, by=len(events))
            self.stored += len(events)
            self.life.last_inbound = self._clock()
            self._signals.events_stored(self._lease.session)
            self._allowance -= len(events)
            if self._paused or self._allowance <= 0:
                await self._permission()

    async def save_credentials(self, credentials: Mapping[str, str]) -> None:
        """See `provider.Inbox.save_credentials`."""
        with self._shields.open(self._settings.store_timeout) as scope:
            await self._store.save_credentials(self._lease, credentials)
        if scope.cancelled_caught:
            raise StoreUnavailable(f"storing credentials took longer than {self._settings.store_timeout:g} s")
        self._on_credentials(credentials)

    def now(self) -> float:
        """See `provider.Inbox.now`."""
        return self._clock()

    async def occupy(self, account: str) -> str | None:
        """See `provider.Inbox.occupy`."""
        return await self._store.occupy(self._lease, account)

    async def confirm(self, message_ids: Collection[str], state: MessageState) -> None:
        """See `provider.Inbox.confirm`."""
        await self._confirmations.confirm(message_ids, state)

    async def recall(self, chat: str, message_id: str) -> Recalled | None:
        """See `provider.Inbox.recall`."""
        page = await self._store.chat_page(self._lease.session, chat, before=NEWEST, limit=RECALLED)
        for _, role, event in page.events:
            if event.body.get("message_id") == message_id:
                return Recalled(None if role == "out" else event.sender, event.body, event.raw)
        for _, message in page.sends:
            if message.receipt is not None and message.receipt.message_id == message_id:
                return Recalled(None, content_document(message))
        return None

    async def has_messages(self, chat: str) -> bool:
        """See `provider.Inbox.has_messages`."""
        page = await self._store.chat_page(self._lease.session, chat, before=NEWEST, limit=20)
        return bool(page.events) or any(message.receipt is not None for _, message in page.sends)

    def report(
        self,
        status: SessionStatus,
        reason: Reason,
        detail: str,
        *,
        action: Action = Action.NONE,
        allow: float | None = None,
        code: Pairing | None = None,
    ) -> None:
        """See `provider.Inbox.report`."""
        self._report(status, reason, detail, action=action, allow=allow, code=code)

    def beat(self, waited: float | None = None) -> None:
        """See `provider.Inbox.beat`."""
        self.life.last_pong = self._clock()
        if waited is not None:
            self._telemetry.observe("poll", waited, self._platform)
