"""Writes the states of one session's sends in batches, and wakes the callers that wait for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

import msgspec
import trio

from ..errors import InvalidInput, LeaseLost, StoreError, StoreUnavailable, printable
from ..log import get_logger
from ..model.message import MessageState, Receipt, Recorded, SendOutcome
from ..model.session import Lease
from ..services import Services
from ..store.contract.messages import MessageStore
from .receipts import Confirmations

STORE_RETRY_DELAY = 0.2
RESOLVE_RETRY_DELAY = 1.0

log = get_logger("SESSION")


class Written(msgspec.Struct, frozen=True):
    """The result of a write."""

    refused: frozenset[str]
    """Ids of messages that are already in a final state, for example cancelled or expired, or gone. They need no
    further action."""
    failed: frozenset[str]
    """Ids of messages whose row probably still has its old state: the store did not answer in time."""


NOTHING = Written(frozenset(), frozenset())
NONE: Mapping[str, str] = MappingProxyType({})


class SendRecord:
    """The stored states of one session's sends. Every method raises LeaseLost."""

    __slots__ = (
        "_announce",
        "_clock",
        "_lease",
        "_platform",
        "_settings",
        "_shields",
        "_signals",
        "_store",
        "_telemetry",
        "confirmations",
    )

    def __init__(self, lease: Lease, platform: str, services: Services) -> None:
        self._lease = lease
        self._platform = platform
        self._store: MessageStore = services.store
        self._settings = services.settings
        self._announce = services.settings.status_events
        self._shields = services.shields
        self._signals = services.signals
        self._telemetry = services.telemetry
        self._clock = services.clock
        self.confirmations = Confirmations(self._record_receipt, self._find_sent)

    def now(self) -> float:
        """The wall clock, seconds since the epoch."""
        return self._clock()

    async def write(self, outcomes: Sequence[SendOutcome], *, after: Mapping[str, str] = NONE) -> Written:
        """Store states in one transaction, shielded, within `store_timeout`. If the store refuses a state, each state
        is written in its own transaction. `after` maps a message's id to the id of the message that must be stored first.
        It stays unwritten until that one is stored."""
        if not outcomes:
            return NOTHING
        self._signals.sends.fire()
        refused: set[str] = set()
        left = list(outcomes)
        with self._shields.open(self._settings.store_timeout):
            while left:
                try:
                    recorded = await self._store.record_sends(self._lease, left, announce=self._announce)
                except LeaseLost:
                    raise
                except StoreUnavailable:
                    await trio.sleep(STORE_RETRY_DELAY)
                except (InvalidInput, StoreError) as error:
                    await self._write_apart(left, after, refused, error)
                else:
                    refused |= recorded.refused
                    await self._tell(left, recorded)
                    left.clear()
        for outcome in left:
            log.error(
                "the state of a send could not be stored",
                session=self._lease.session,
                message_id=outcome.id,
                state=outcome.state,
            )
        return Written(frozenset(refused), frozenset(outcome.id for outcome in left))

    async def _write_apart(
        self, left: list[SendOutcome], after: Mapping[str, str], refused: set[str], error: Exception
    ) -> None:
        """Write each state in its own transaction. Removes from `left` those that were stored or never will be, and adds
        the latter to `refused` at once: the time may end during any of the writes."""
        for outcome in list(left):
            if (before := after.get(outcome.id)) is not None and any(before == each.id for each in left):
                continue
            try:
                recorded = await self._store.record_sends(self._lease, (outcome,), announce=self._announce)
            except LeaseLost:
                raise
            except InvalidInput as refusal:
                plain = _plain(outcome)
                log.error(
                    "the database refuses the text of a send's outcome",
                    session=self._lease.session,
                    message_id=outcome.id,
                    error=str(refusal),
                )
                if plain == outcome:  # it stays SENDING until the sweep finds it
                    left.remove(outcome)
                    refused.add(outcome.id)
                else:
                    left[left.index(outcome)] = plain
            except StoreError:
                continue
            else:
                left.remove(outcome)
                refused.update(recorded.refused)
                await self._tell((outcome,), recorded)
        if left:
            log.debug("states of sends are written again", session=self._lease.session, error=str(error))
            await trio.sleep(STORE_RETRY_DELAY)

    async def _tell(self, outcomes: Sequence[SendOutcome], recorded: Recorded) -> None:
        if recorded.announced:
            self._signals.events_stored(self._lease.session)
        ended: dict[MessageState, int] = {}
        early: list[tuple[str, MessageState]] = []
        for outcome in outcomes:
            if outcome.id in recorded.refused:
                continue
            self._signals.message_changed(outcome)
            state, receipt = outcome.state, outcome.receipt
            if state is not MessageState.SENDING:
                ended[state] = ended.get(state, 0) + 1
            if receipt is not None and receipt.message_id:
                confirmed = self.confirmations.sent(receipt.message_id, outcome.id)
                if confirmed is not None:
                    early.append((outcome.id, confirmed))
        for state, count in ended.items():
            if state.final:
                self._telemetry.count("sends", self._platform, state.value, by=count)
        for id, confirmed in early:
            await self._record_receipt(id, confirmed)

    async def resolve_interrupted(self, trouble: Callable[[str], object]) -> None:
        """Set messages that an earlier owner was sending when it died to UNKNOWN. Returns once the store has accepted
        that; until then each store error goes to `trouble`."""
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
        """Resolve messages that are stored as SENDING although no task is sending them: those in `requeue` were never
        sent and become QUEUED, those in `interrupted` become UNKNOWN. Raises StoreError."""
        log.warning(
            "sends were found that no task would finish",
            session=self._lease.session,
            queued_again=len(requeue),
            unknown=len(interrupted),
        )
        if requeue:
            await self._store.record_sends(self._lease, [self.queued(id) for id in requeue], announce=self._announce)
        if interrupted:
            ids = await self._store.resolve_interrupted(
                self._lease, now=self._clock(), announce=self._announce, only=interrupted
            )
            for id in ids:
                self._signals.message_final(id)
            if ids:
                self._signals.events_stored(self._lease.session)

    def queued(self, id: str, error: str | None = None) -> SendOutcome:
        """The state of a message that was not sent, with the reason."""
        return SendOutcome(id=id, state=MessageState.QUEUED, at=self._clock(), error=error and printable(error))

    async def _record_receipt(self, id: str, state: MessageState) -> None:
        """Record that a receiver has the message. One attempt is enough: no caller waits for it, and the receipt itself
        is in the event log."""
        outcome = SendOutcome(id=id, state=state, at=self._clock())
        with self._shields.open(self._settings.store_timeout):
            try:
                recorded = await self._store.record_sends(self._lease, (outcome,), announce=self._announce)
            except LeaseLost:
                raise
            except StoreError as error:
                log.warning("a receipt could not be stored", session=self._lease.session, error=str(error))
            else:
                if recorded.announced:
                    self._signals.events_stored(self._lease.session)

    async def _find_sent(self, platform_ids: Collection[str]) -> Mapping[str, str]:
        with self._shields.open(self._settings.store_timeout):
            try:
                return await self._store.find_sent(self._lease, platform_ids)
            except StoreError as error:
                log.warning("a receipt could not be matched", session=self._lease.session, error=str(error))
        return {}


def _plain(outcome: SendOutcome) -> SendOutcome:
    """The same outcome with texts that every database accepts."""

    def ascii(text: str | None) -> str | None:
        return text and text.encode("ascii", "backslashreplace").decode()

    receipt = outcome.receipt
    if receipt is not None:
        receipt = Receipt(ascii(receipt.message_id) or "", receipt.time, ascii(receipt.chat))
    return msgspec.structs.replace(outcome, error=ascii(outcome.error), receipt=receipt)
