"""One attempt to send one message: the call, its deadline, and the state that it ends in (F4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto
from typing import Protocol

import msgspec
import trio

from ..errors import (
    InvalidInput,
    LeaseLost,
    NotConnected,
    OutcomeUnknown,
    ProviderError,
    SendError,
    SendRateLimited,
    StoreError,
    TerminalError,
    printable,
)
from ..log import get_logger
from ..model.content import MEDIA
from ..model.message import MessageState, OutboundMessage, Receipt, Recorded, SendOutcome
from ..model.session import Lease
from ..provider.contract import Link
from ..services import Services
from ..store.contract.messages import MessageStore, OutgoingStore
from .receipts import Confirmations

RETRY_DELAY = 1.0  # seconds, doubled by each attempt that could not even begin
RETRY_DELAY_MAX = 30.0
STORE_RETRY_DELAY = 0.2
RESOLVE_RETRY_DELAY = 1.0

log = get_logger("SESSION")


class SendingStore(MessageStore, OutgoingStore, Protocol):
    """What a sender needs of a store."""


class Begun(Enum):
    """Whether a message may leave."""

    YES = auto()
    ENDED = auto()  # somebody has cancelled it, or it expired
    UNSURE = auto()  # the store did not answer


class Pause(msgspec.Struct, frozen=True):
    """The message has not left and has to be tried again after `delay` seconds."""

    delay: float
    whole_session: bool
    error: str


class Sender:
    """Sends messages of one session and records what became of them."""

    def __init__(
        self, lease: Lease, platform: str, services: Services, *, on_refused: Callable[[TerminalError], object]
    ) -> None:
        """`on_refused` is called when the platform refuses the session itself; the link has to end then."""
        self._on_refused = on_refused
        self._lease = lease
        self._platform = platform
        self._store: SendingStore = services.store
        self._settings = services.settings
        self._announce = services.settings.status_events
        self._shields = services.shields
        self._signals = services.signals
        self._telemetry = services.telemetry
        self._clock = services.clock
        self._in_flight: set[trio.CancelScope] = set()
        self.confirmations = Confirmations(self._record_receipt, self._find_sent)

    def hurry(self) -> None:
        """The link closes: what is being sent has `link_close_timeout` left to come to its end."""
        deadline = trio.current_time() + self._settings.link_close_timeout
        for scope in self._in_flight:
            scope.deadline = min(scope.deadline, deadline)

    def now(self) -> float:
        """The wall clock, seconds since the epoch."""
        return self._clock()

    async def resolve_interrupted(self, trouble: Callable[[str], object]) -> None:
        """What an earlier owner had in its hands when it died is told as UNKNOWN. Until the store has taken that, each of its
        errors goes to `trouble`. Raises LeaseLost."""
        while True:
            try:
                if await self._store.resolve_interrupted(self._lease, now=self._clock(), announce=self._announce):
                    self._signals.events_stored(self._lease.session)
            except LeaseLost:
                raise
            except StoreError as error:
                trouble(str(error))
                await trio.sleep(RESOLVE_RETRY_DELAY)
            else:
                return

    async def resolve(self, *, requeue: Collection[str], interrupted: Collection[str]) -> None:
        """Messages that are stored as SENDING and that no task is sending: `requeue` has never left and becomes QUEUED,
        `interrupted` becomes UNKNOWN. Raises StoreError."""
        log.warning(
            "sends were found that no task would end",
            session=self._lease.session,
            queued_again=len(requeue),
            unknown=len(interrupted),
        )
        if requeue:
            outcomes = [SendOutcome(id=id, state=MessageState.QUEUED, at=self._clock()) for id in requeue]
            self._told(await self._store.record_sends(self._lease, outcomes, announce=self._announce))
        if interrupted:
            ids = await self._store.resolve_interrupted(
                self._lease, now=self._clock(), announce=self._announce, only=interrupted
            )
            for id in ids:
                self._signals.message_final(id)
            if ids:
                self._signals.events_stored(self._lease.session)

    async def attempt(self, link: Link, message: OutboundMessage, attempts: int) -> SendOutcome | Pause:
        """Call the link. Shielded: once bytes may have left, a cancellation would only turn a known outcome into an
        unknown one. Bounded by `send_timeout` (with a stored file by `media_timeout`), and by `hurry`."""
        scope = self._shields.open(self._seconds_for(message))
        self._in_flight.add(scope)
        try:
            with scope:
                with self._telemetry.timed("send", self._platform):
                    receipt = await link.send(message)
                return SendOutcome(id=message.id, state=MessageState.SENT, at=self._clock(), receipt=receipt)
            return self._unknown(message, "no answer within the deadline; it may or may not have been sent")
        except SendRateLimited as error:
            return Pause(error.retry_after, error.whole_session, str(error))
        except NotConnected as error:
            return Pause(min(RETRY_DELAY * 2**attempts, RETRY_DELAY_MAX), False, str(error))
        except TerminalError as error:
            self._on_refused(error)
            return Pause(RETRY_DELAY, False, str(error))
        except (OutcomeUnknown, ProviderError) as error:
            return self._unknown(message, str(error))
        except SendError as error:
            return SendOutcome(id=message.id, state=MessageState.FAILED, at=self._clock(), error=printable(str(error)))
        except Exception:
            log.exception("a send failed in an unexpected way", session=self._lease.session, message_id=message.id)
            return self._unknown(message, "internal error while sending; it may or may not have been sent")
        finally:
            self._in_flight.discard(scope)

    def _seconds_for(self, message: OutboundMessage) -> float:
        seconds, content = self._settings.send_timeout, message.content
        return max(seconds, self._settings.media_timeout) if isinstance(content, MEDIA) and content.media else seconds

    async def _record_receipt(self, id: str, state: MessageState) -> None:
        """A receiver has the message. Worth one try: nobody waits for it, and the receipt itself is in the event log."""
        outcome = SendOutcome(id=id, state=state, at=self._clock())
        with self._shields.open(self._settings.store_timeout):
            try:
                self._told(await self._store.record_sends(self._lease, (outcome,), announce=self._announce))
            except LeaseLost:
                raise
            except StoreError as error:
                log.warning("a receipt could not be stored", session=self._lease.session, error=str(error))

    async def _find_sent(self, platform_ids: Collection[str]) -> Mapping[str, str]:
        with self._shields.open(self._settings.store_timeout):
            try:
                return await self._store.find_sent(self._lease, platform_ids)
            except StoreError as error:
                log.warning("a receipt could not be matched", session=self._lease.session, error=str(error))
        return {}

    def _unknown(self, message: OutboundMessage, error: str) -> SendOutcome:
        return SendOutcome(id=message.id, state=MessageState.UNKNOWN, at=self._clock(), error=printable(error))

    async def begin(self, id: str) -> Begun:
        """Store that a message is about to leave. Raises LeaseLost."""
        recorded = await self._write(SendOutcome(id=id, state=MessageState.SENDING, at=self._clock()))
        if recorded is None:
            return Begun.UNSURE
        return Begun.ENDED if id in recorded.refused else Begun.YES

    async def record(self, id: str, outcome: SendOutcome | MessageState, error: str | None = None) -> bool:
        """Store a state; False when the store did not answer within `store_timeout`: the row then keeps its old state, and
        SENDING is told as UNKNOWN later, which is the truth.

        Raises LeaseLost.
        """
        if isinstance(outcome, MessageState):
            outcome = SendOutcome(id=id, state=outcome, at=self._clock(), error=error and printable(error))
        return await self._write(outcome) is not None

    async def _write(self, outcome: SendOutcome) -> Recorded | None:
        with self._shields.open(self._settings.store_timeout):
            while True:
                try:
                    recorded = await self._store.record_sends(self._lease, (outcome,), announce=self._announce)
                except LeaseLost:
                    raise
                except InvalidInput as error:
                    plain = _plain(outcome)
                    log.error(
                        "the database refuses the text of a send's outcome",
                        session=self._lease.session,
                        message_id=outcome.id,
                        error=str(error),
                    )
                    if plain == outcome:
                        break  # it stays SENDING until it is found to be in nobody's hands
                    outcome = plain
                    continue
                except StoreError:
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                self._told(recorded)
                if outcome.id in recorded.refused:
                    return recorded
                self._signals.message_changed(outcome)
                if outcome.state.final:
                    self._telemetry.count("sends", self._platform, outcome.state.value)
                if outcome.receipt is not None and outcome.receipt.message_id:
                    await self.confirmations.sent(outcome.receipt.message_id, outcome.id)
                return recorded
        log.error(
            "the state of a send could not be stored",
            session=self._lease.session,
            message_id=outcome.id,
            state=outcome.state,
        )
        return None

    def _told(self, recorded: Recorded) -> None:
        if recorded.announced:
            self._signals.events_stored(self._lease.session)


def _plain(outcome: SendOutcome) -> SendOutcome:
    """The same outcome with texts that every database takes."""

    def ascii(text: str | None) -> str | None:
        return text and text.encode("ascii", "backslashreplace").decode()

    receipt = outcome.receipt
    if receipt is not None:
        receipt = Receipt(ascii(receipt.message_id) or "", receipt.time, ascii(receipt.chat))
    return msgspec.structs.replace(outcome, error=ascii(outcome.error), receipt=receipt)
