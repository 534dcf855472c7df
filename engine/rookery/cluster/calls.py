"""Asks the instance that runs a session to do something that only it can do, through the database (E5).

Instances need no network connection to each other: a call is a row, a notification makes it fast, and polling finds the
row if the notification is lost. Every call has a deadline; a call that no instance has taken by then never happens.
Arguments and results are MessagePack.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from .. import errors
from ..errors import OwnerUnavailable, RookeryError, StoreError
from ..log import get_logger
from ..model.instance import InstanceCall
from ..services import Services
from ..store.contract.calls import CallStore
from .membership import Membership

POLL_INTERVAL = 0.5  # seconds between polls for an answer
STORE_RETRY_DELAY = 1.0  # seconds
BATCH = 32
"""Maximum number of calls that this instance handles at once, and of urgent ones beside them."""

PLAIN = (str, int, float, bool, dict, type(None))

log = get_logger("API")

Handler = Callable[..., Awaitable[Any]]
IsUrgent = Callable[[dict[str, Any]], bool]


class NotHere(RookeryError):
    """The session no longer runs here: the caller looks up its instance again."""


class _Answer(msgspec.Struct, omit_defaults=True):
    """`error` names a class of `rookery.errors`; `facts` are its attributes."""

    result: Any = None
    error: str | None = None
    message: str = ""
    facts: dict[str, Any] = {}


class Router:
    """Sends and answers the calls of one instance. Owned by the engine, on a shared store."""

    def __init__(self, instance: str, store: CallStore, membership: Membership, services: Services) -> None:
        self._instance = instance
        self._store = store
        self._membership = membership
        self._settings = services.settings
        self._shields = services.shields
        self._handlers: dict[str, Handler] = {}
        self._urgent: dict[str, IsUrgent] = {}
        self._awaited: dict[str, trio.Event] = {}
        self._wake = trio.Event()

    def handle(self, method: str, handler: Handler, *, is_urgent: IsUrgent | None = None) -> None:
        """Register `handler` for calls from other instances. Its arguments and result must be values that MessagePack
        can encode. `is_urgent` says from the arguments whether a call must not wait for the places of slow ones."""
        self._handlers[method] = handler
        if is_urgent is not None:
            self._urgent[method] = is_urgent

    def wake(self) -> None:
        """There may be calls for this instance."""
        self._wake.set()

    def answered(self, id: str) -> None:
        """There may be an answer to this call."""
        if (event := self._awaited.get(id)) is not None:
            event.set()

    async def call(self, owner: str, method: str, *, seconds: float | None = None, **arguments: Any) -> Any:
        """Call `method` on `owner` and return its result.

        Raises what the handler raised; OwnerUnavailable when the owner is gone or does not answer in time; StoreError.
        """
        seconds = self._settings.call_timeout if seconds is None else seconds
        if not self._membership.census.lives(owner):
            await self._membership.refresh()
            if not self._membership.census.lives(owner):
                raise OwnerUnavailable(
                    f"the instance {owner} that runs it is gone; another one takes over within "
                    f"{self._settings.lease_ttl + self._settings.cluster_poll_interval:g} s",
                    retry_after=self._settings.cluster_poll_interval,
                )
        id = secrets.token_hex(12)
        call = InstanceCall(
            id=id, owner=owner, method=method, arguments=msgspec.msgpack.encode(arguments), seconds=seconds
        )
        answer: bytes | None = None
        never_began = False
        try:
            with trio.move_on_after(seconds):
                answer = await self._ask(call)
        finally:
            if answer is None:
                with self._shields.open(self._settings.store_timeout, caller=True):
                    never_began = await self._withdraw(id)
        if answer is None:
            what = "has not begun with it" if never_began else "may have done it"
            raise OwnerUnavailable(
                f"the instance {owner} that runs it did not answer within {seconds:g} s and {what}",
                retry_after=self._settings.cluster_poll_interval,
                may_have_happened=not never_began,
            )
        return _result(msgspec.msgpack.decode(answer, type=_Answer))

    async def _ask(self, call: InstanceCall) -> bytes:
        self._awaited[call.id] = trio.Event()
        try:
            await self._store.submit_call(call)
            while True:
                event = self._awaited[call.id] = trio.Event()
                answer = await self._store.fetch_answer(call.id)
                if answer is not None:
                    return answer
                with trio.move_on_after(POLL_INTERVAL):
                    await event.wait()
        finally:
            del self._awaited[call.id]

    async def _withdraw(self, id: str) -> bool:
        try:
            return await self._store.withdraw_call(id)
        except StoreError:
            return False

    async def run(self) -> None:
        """Handle calls from other instances until cancelled."""
        places, urgent_places = trio.CapacityLimiter(BATCH), trio.CapacityLimiter(BATCH)
        async with trio.open_nursery() as nursery:
            while True:
                self._wake = trio.Event()
                try:
                    calls = await self._store.take_calls(self._instance, limit=BATCH)
                except (StoreError, errors.SecretKeyError) as error:
                    log.warning("calls from other instances cannot be read", error=str(error))
                    await trio.sleep(STORE_RETRY_DELAY)
                    continue
                for call in calls:
                    nursery.start_soon(self._do, call, urgent_places if self._is_urgent(call) else places)
                if len(calls) < BATCH:
                    with trio.move_on_after(self._settings.cluster_poll_interval):
                        await self._wake.wait()

    def _is_urgent(self, call: InstanceCall) -> bool:
        """False also for arguments of another shape, as from another version: `_perform` answers such a call."""
        is_urgent = self._urgent.get(call.method)
        if is_urgent is None:
            return False
        try:
            return is_urgent(msgspec.msgpack.decode(call.arguments))
        except Exception:
            return False

    async def _do(self, call: InstanceCall, limiter: trio.CapacityLimiter) -> None:
        """Handle one call within its deadline; a failure reaches only its caller."""
        with trio.move_on_after(call.seconds):
            async with limiter:
                answer = await self._perform(call)
            try:
                if not await self._store.answer_call(call.id, answer):
                    log.info("an answer came too late for its caller", method=call.method)
            except StoreError as error:
                log.warning("an answer to another instance was lost", method=call.method, error=str(error))

    async def _perform(self, call: InstanceCall) -> bytes:
        encode = msgspec.msgpack.encode
        handler = self._handlers.get(call.method)
        if handler is None:
            return encode(_Answer(error="OwnerUnavailable", message="the instance that runs it is too old for this"))
        try:
            return encode(_Answer(result=await handler(**msgspec.msgpack.decode(call.arguments))))
        except RookeryError as error:
            facts = {name: value for name, value in vars(error).items() if isinstance(value, PLAIN)}
            return encode(_Answer(error=type(error).__name__, message=str(error), facts=facts))
        except Exception:
            log.exception("a call from another instance failed in an unexpected way", method=call.method)
            return encode(_Answer(error="RookeryError", message="internal error in the instance that runs it"))


def _result(answer: _Answer) -> Any:
    if answer.error is None:
        return answer.result
    if answer.error == NotHere.__name__:
        raise NotHere(answer.message)
    kind = getattr(errors, answer.error, RookeryError)
    if not (isinstance(kind, type) and issubclass(kind, RookeryError)):
        kind = RookeryError
    # The constructors of errors differ, but the attributes came from an error of the same class.
    error = kind.__new__(kind)
    error.args = (answer.message,)
    for name, value in answer.facts.items():
        setattr(error, name, value)
    raise error
