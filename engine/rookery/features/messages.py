"""Sending messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

import msgspec
import trio

from ..errors import (
    InvalidInput,
    OutcomeUnknown,
    Rejected,
    RookeryError,
    TooLate,
)
from ..model.content import Text
from ..model.message import MessageQuery, MessageState, OutboundMessage, Receipt, after
from ..runtime.signals import MessageWatch
from .acceptance import Acceptance
from .validation import PlainText

POLL_INTERVAL = 1.0  # seconds between looks at a message that another engine may finish
MAX_BATCH = 1000


class MessageFeatures(Acceptance):
    """A send belongs to the session's own task: the caller may leave."""

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
        wait: float = 0.0,
        **content: Any,
    ) -> OutboundMessage:
        """Accept a message; returns when it is stored. It is sent as soon as the session is connected.

        `content` is `text="hi"`, or `type="image", url=...` and so on (see `rookery.model.content`); a file may be
        named by the id that it was stored under (`media=...`), or `event-N` for the file of a received message.
        `options` are passed to the platform unchanged. `ttl`: seconds after which the message is no longer sent.
        `send_at` (seconds since the epoch): the message waits until then, SCHEDULED; the session need not be connected
        before. The same `idempotency_key` for the same session returns the first message, even where a new message to
        this session or with this file would be refused.

        `wait`: seconds to wait for the final state; then the message is returned in its current state. A scheduled
        message is returned at once.

        Raises InvalidInput, NotFound, NotConnected (disabled, or waiting for a person), Busy, StoreError; for the file
        of a received message also what `media_of_event` raises.
        """
        fields = {
            "to": to,
            "reply_to": reply_to,
            "idempotency_key": idempotency_key,
            "options": options,
            "ttl": ttl,
            "send_at": send_at,
            **content,
        }
        message = await self._to_message(session, fields)
        if wait <= 0:
            return await self._accept(message)
        with self._signals.watch(message.id) as watch:
            version = watch.version
            stored = await self._accept(message)
            if stored.state is MessageState.SCHEDULED:
                return stored
            return await self._until_final(stored, watch, version, wait)

    async def submit_batch(
        self, session: str, messages: Sequence[Mapping[str, Any] | PlainText]
    ) -> Sequence[OutboundMessage | RookeryError]:
        """Accept up to `MAX_BATCH` messages in one transaction; each is a mapping of the arguments of `submit`, or the
        result of `plain_text`; nothing else can make one of those.
        Returns, in order, each message as it is stored, or the error that `submit` would raise for it; the other
        messages are still accepted.

        Raises InvalidInput (too many), NotFound (session), OutcomeUnknown, StoreError.
        """
        if len(messages) > MAX_BATCH:
            raise InvalidInput(f"messages: at most {MAX_BATCH} at a time", field="messages")
        answers: list[OutboundMessage | RookeryError | None] = []
        drafts: list[OutboundMessage] = []
        now = self._clock()
        has_one_form = self._has_one_form(session)
        for fields in messages:
            try:
                if isinstance(fields, Text):
                    if has_one_form:
                        drafts.append(self._of_plain(session, fields, now))
                        answers.append(None)
                        continue
                    fields = msgspec.structs.asdict(fields)
                drafts.append(await self._to_message(session, fields, now))
                answers.append(None)
            except RookeryError as error:
                answers.append(error)
        accepted = iter(await self._accept_all(session, drafts))
        return [next(accepted) if answer is None else answer for answer in answers]

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
        done = await self.submit(
            session,
            to=to,
            reply_to=reply_to,
            idempotency_key=idempotency_key,
            options=options,
            ttl=ttl,
            wait=inf,
            **content,
        )
        if done.receipt is not None:
            return done.receipt
        if done.state is MessageState.UNKNOWN or not done.state.final:
            raise OutcomeUnknown(done.error or "the outcome is unknown")
        raise Rejected(done.error or f"the message is {done.state}")

    async def get_message(self, id: str) -> OutboundMessage:
        """Raises NotFound."""
        return await self._store.get_message(id)

    async def list_messages(self, query: MessageQuery) -> Sequence[tuple[int, OutboundMessage]]:
        """Sends of one session with their numbers, newest first; the last number is the cursor (`before`) of the next page.
        Raises NotFound."""
        if query.chat is not None:
            query = msgspec.structs.replace(query, chat=await self.chat_name(query.session, query.chat))
        return await self._store.list_messages(query)

    async def cancel_message(self, id: str) -> OutboundMessage:
        """Cancel a message whose sending has not begun. Raises NotFound, TooLate."""
        message, cancelled = await self._store.cancel_message(
            id, now=self._clock(), announce=self.settings.status_events
        )
        if not cancelled:
            raise TooLate(f"the message {id!r} is {message.state} and cannot be cancelled any more")
        self._signals.message_final(id)
        self._signals.events_stored(message.session)
        return message

    async def wait_message(self, message: str | OutboundMessage, seconds: float) -> OutboundMessage:
        """Returns the message when it is final, or in its current state after `seconds`. A message id is read first; a
        message that `submit` has just returned is not. Raises NotFound."""
        with self._signals.watch(message if isinstance(message, str) else message.id) as watch:
            version = watch.version
            if isinstance(message, str):
                message = await self._store.get_message(message)
            return await self._until_final(message, watch, version, seconds)

    async def _until_final(
        self, message: OutboundMessage, watch: MessageWatch, version: int, seconds: float
    ) -> OutboundMessage:
        """Returns the message when it is final, or in its current state after `seconds`. `watch` watches the id that
        was to be stored; `version` is the watch's version from before the message was read. Raises StoreError soon after
        the engine has closed."""
        if not message.state.final and watch.id != message.id:  # an earlier message with the same key
            return await self.wait_message(message.id, seconds)
        until = trio.current_time() + seconds
        doubts = watch.doubts
        while not message.state.final:
            if (outcome := watch.outcome) is not None and outcome.state.final:
                return after(message, outcome, beginnings=watch.beginnings)
            now = trio.current_time()
            if now >= until:
                break
            # A session that runs here fires the watch, and `Signals.doubt_messages` ends a wait in vain.
            is_ours = message.session in self._supervisor.running and not self._signals.is_closed
            deadline = until if is_ours else min(now + POLL_INTERVAL, until)
            if deadline == inf:
                await watch.newer_than(version)  # a cancel scope would cost as much as storing the message
            else:
                with trio.CancelScope(deadline=deadline):
                    await watch.newer_than(version)
            is_lost = version == watch.version or doubts < watch.doubts
            version, doubts = watch.version, watch.doubts
            if is_lost or watch.outcome is None:  # it expired, or another engine sends it
                with trio.CancelScope(deadline=until):
                    message, watch.beginnings = await self._store.get_message(message.id), 0
        return message
