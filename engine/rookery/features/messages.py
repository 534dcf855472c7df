"""Sending messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import trio

from ..errors import Busy, InvalidInput, NotConnected, NotFound, OutcomeUnknown, Rejected, TooLate
from ..model.content import PlatformCall
from ..model.message import MessageQuery, MessageState, OutboundMessage, Receipt, SendOutcome
from ..provider.capabilities import MethodProvider, OptionChecking
from .identifiers import new_id
from .media import MediaFeatures
from .validation import canonical, check_document, check_storable, check_text, fields_of, parse_content

POLL_INTERVAL = 1.0  # seconds between looks at a message of whose end nobody here may be told
MAX_AHEAD = 366 * 86_400.0
"""Seconds for which a message may be scheduled."""


class MessageFeatures(MediaFeatures):
    """A send belongs to the session's own task: whoever asked for it may leave."""

    async def submit(
        self,
        session: str,
        *,
        to: str | int,
        reply_to: str | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        ttl: float | None = None,
        send_at: float | None = None,
        **content: Any,
    ) -> OutboundMessage:
        """Accept a message; returns when it is stored. It is sent as soon as the session is connected.

        `content` is `text="hi"`, or `type="image", url=...` and so on (see `rookery.model.content`); a file may be
        named by the id that it was stored under (`media=...`), or `event-N` for the file of a received message. `options`
        go to the platform
        as they are. `ttl` seconds after which it is not sent any more. `send_at` (seconds since the epoch) lets it wait
        until then, SCHEDULED; the session need not be connected before. The same `idempotency_key` for the same session
        returns the first message, also when the session or the file could not take part in a new one.

        Raises InvalidInput, NotFound, NotConnected (disabled, or waiting for a person), Busy, StoreError; for the file of a
        received message what `media_of_event` raises.
        """
        return await self._accept(
            new_id(),
            session,
            to=to,
            reply_to=reply_to,
            idempotency_key=idempotency_key,
            options=options,
            ttl=ttl,
            send_at=send_at,
            content=content,
        )

    async def _accept(
        self,
        id: str,
        session: str,
        *,
        to: str | int,
        reply_to: str | None,
        idempotency_key: str | None,
        options: Mapping[str, Any] | None,
        ttl: float | None,
        send_at: float | None,
        content: dict[str, Any],
    ) -> OutboundMessage:
        to = str(to)
        check_text(to, "to", least=1)
        if reply_to is not None:
            check_text(reply_to, "reply_to", least=1)
        if idempotency_key is not None:
            check_text(idempotency_key, "idempotency_key", least=1)
        if ttl is not None and not 0 < ttl <= 30 * 86_400:
            raise InvalidInput("ttl: seconds, more than 0 and at most 2592000 (30 days)", field="ttl")
        content = self._as_call(content)
        if options or content.keys() - fields_of(content):
            content, options = await self._with_options(session, content, dict(options or {}))
        parsed = parse_content(content)
        for field, value in content.items():
            if isinstance(value, str):
                check_storable(value, field)
        if (
            isinstance(parsed, PlatformCall)
            and (row := await self._store.get_session(session)).platform != parsed.platform
        ):
            raise InvalidInput(f"type: the session {session!r} is of the platform {row.platform!r}", field="type")
        checked_options = check_document(options, "options") if options else {}
        runner = self._supervisor.running.get(session)
        now = self._clock()
        if send_at is not None and not now - MAX_AHEAD <= send_at <= now + MAX_AHEAD:
            raise InvalidInput("send_at: at most a year from now", field="send_at")
        scheduled = send_at is not None and send_at > now
        message = OutboundMessage(
            id=id,
            session=session,
            to=to,
            content=parsed,
            state=MessageState.SCHEDULED if scheduled else MessageState.QUEUED,
            reply_to=reply_to,
            options=checked_options,
            idempotency_key=idempotency_key,
            created_at=now,
            updated_at=now,
            expires_at=(send_at if scheduled and send_at else now)
            + (self.settings.message_ttl if ttl is None else ttl),
            send_at=send_at,
            ttl=ttl,
            attempts=0,
        )
        try:
            if scheduled:
                runner = None
                await self._store.get_session(session)
            elif runner is None or runner.stopping:
                await self._check_sendable(session)
            await self._check_media(parsed, message.expires_at)
        except (NotConnected, NotFound):
            if idempotency_key is not None and (earlier := await self._earlier(message)) is not None:
                return earlier
            raise
        reserved = runner is not None and runner.outbox.reserve(id, to, parsed)
        if reserved:
            message = msgspec.structs.replace(message, state=MessageState.SENDING, attempts=1)
        created: bool | None = None  # None: nobody knows
        # Shielded: a row that says SENDING must reach its sender. The bound is the store's.
        with self._shields.open(self.settings.store_timeout, caller=True):
            try:
                message, created = await self._store.enqueue(
                    message,
                    pending_limit=self.settings.max_pending_sends,
                    lease=runner.lease if runner is not None and reserved else None,
                )
            except (InvalidInput, NotFound, Busy):
                created = False
                raise
            finally:
                if runner is not None and not created:
                    runner.outbox.withdraw(id, to, reserved=reserved)
                if runner is not None and created is None:
                    runner.outbox.doubt(id)
            if runner is not None and created:
                if reserved and message.state is MessageState.QUEUED:  # another owner has the session
                    runner.outbox.withdraw(id, to, reserved=True)
                    self._supervisor.lost(runner.lease)
                else:
                    runner.outbox.accept(message, reserved=reserved)
            if created and scheduled:
                self._signals.schedule.fire()
            now_running = self._supervisor.running.get(session)
            if now_running is not None and now_running is not runner:
                now_running.outbox.wake()  # it started meanwhile and may have looked before the message was there
            return message
        raise OutcomeUnknown("the store did not answer in time; the message may have been accepted")

    async def _with_options(
        self, session: str, content: dict[str, Any], options: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The content and the options, of which some may stand beside the content's fields. Raises NotFound, InvalidInput."""
        runner = self._supervisor.running.get(session)
        row = runner.session if runner is not None else await self._store.get_session(session)
        provider = self._providers.get(row.platform)
        if not isinstance(provider, OptionChecking) or content.get("type") == "call":
            return content, options
        known = fields_of(content)
        beside = {name: value for name, value in content.items() if name not in known}
        kind = canonical(content.get("type", "text"))
        provider.check_options(kind, options | beside, fields=known)
        return {name: value for name, value in content.items() if name in known}, options | beside

    def _as_call(self, content: dict[str, Any]) -> dict[str, Any]:
        """A message whose type is a platform calls a method of it. Raises what `MethodProvider.check_call` raises."""
        platform = content.get("type")
        if platform == "call":
            raise InvalidInput("type: the platform's name is needed to call one of its methods", field="type")
        provider = self._providers.get(platform) if isinstance(platform, str) else None
        if not isinstance(provider, MethodProvider):
            return content
        method, params = content.get("method"), content.get("params", {})
        if isinstance(method, str):
            provider.check_call(method, check_document(params, "params"))
        return content | {"type": "call", "platform": platform}

    async def _earlier(self, message: OutboundMessage) -> OutboundMessage | None:
        """The first message with this one's key; None when there is none. Raises InvalidInput, NotFound."""
        try:
            return (await self._store.enqueue(message, pending_limit=0))[0]  # no room: nothing is stored
        except Busy:
            return None

    async def send(
        self,
        session: str,
        *,
        to: str | int,
        reply_to: str | None = None,
        idempotency_key: str | None = None,
        options: Mapping[str, Any] | None = None,
        ttl: float | None = None,
        **content: Any,
    ) -> Receipt:
        """`submit`, then wait for the outcome. The caller sets the deadline; leaving early does not stop the send.

        Raises what `submit` raises, and Rejected or OutcomeUnknown.
        """
        id = new_id()
        with self._signals.watch(id) as watch:
            message = await self._accept(
                id,
                session,
                to=to,
                reply_to=reply_to,
                idempotency_key=idempotency_key,
                options=options,
                ttl=ttl,
                send_at=None,
                content=content,
            )
            done: OutboundMessage | SendOutcome = message
            if message.id != id:  # an earlier message with the same key
                done = await self._wait_final(message)
            while not done.state.final:
                version = watch.version
                if watch.outcome is not None:
                    done = watch.outcome
                if done.state.final:
                    break
                with trio.move_on_after(POLL_INTERVAL) as scope:
                    await watch.newer_than(version)
                if scope.cancelled_caught or watch.outcome is None:  # it expired, or another engine sends it
                    done = await self._store.get_message(id)
        if done.receipt is not None:
            return done.receipt
        if done.state is MessageState.UNKNOWN:
            raise OutcomeUnknown(done.error or "the outcome is unknown")
        raise Rejected(done.error or f"the message is {done.state}")

    async def get_message(self, id: str) -> OutboundMessage:
        """Raises NotFound."""
        return await self._store.get_message(id)

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        """Sends of one session with their numbers, newest first; the last number is the cursor (`before`) of the next page.
        Raises NotFound."""
        return await self._store.list_messages(query)

    async def cancel_message(self, id: str) -> OutboundMessage:
        """Take back a message that has not begun to leave. Raises NotFound, TooLate."""
        message, cancelled = await self._store.cancel_message(
            id, now=self._clock(), announce=self.settings.status_events
        )
        if not cancelled:
            raise TooLate(f"the message {id!r} is {message.state} and cannot be cancelled any more")
        self._signals.message_final(id)
        self._signals.events_stored(message.session)
        return message

    async def wait_message(self, id: str, seconds: float) -> OutboundMessage:
        """The message when it is final, or as it is after `seconds`. Raises NotFound."""
        message = await self._store.get_message(id)
        with trio.move_on_after(seconds):
            return await self._wait_final(message)
        return await self._store.get_message(id)

    async def _wait_final(self, message: OutboundMessage) -> OutboundMessage:
        if message.state.final:
            return message
        with self._signals.watch(message.id) as watch:
            while True:
                version = watch.version
                message = await self._store.get_message(message.id)
                if message.state.final:
                    return message
                with trio.move_on_after(POLL_INTERVAL):
                    await watch.newer_than(version)

    async def _check_sendable(self, session: str) -> None:
        row = self._with_latest(await self._store.get_session(session))
        if not row.enabled:
            raise NotConnected(f"the session {session!r} is stopped: start it first")
        if not row.wanted:
            raise NotConnected(
                f"the session {session!r} is {row.health.status} ({row.health.reason}): {row.health.detail}"
            )
