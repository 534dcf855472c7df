"""Turns callers' requests into stored messages and passes these to their outboxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import inf
from typing import Any

import msgspec

from ..errors import AlreadyExists, Busy, InvalidInput, NotConnected, NotFound, OutcomeUnknown, RookeryError
from ..model.content import Content, PlatformCall, Text
from ..model.message import MessageState, OutboundMessage
from ..model.session import Lease
from ..outbound.batcher import Batcher
from ..provider.capabilities import QueryAnswering
from ..runtime.identifiers import new_id
from ..session.runner import SessionRunner
from .media import MediaFeatures
from .platform.kinds import MessageKinds
from .validation import (
    MAX_TTL,
    PlainText,
    check_document,
    check_storable,
    check_text,
    fields_of,
    is_known,
    parse_content,
    plain_text,
)

MAX_AHEAD = 366 * 86_400.0
"""How many seconds ahead a message may be scheduled."""

ROOM_FOR_ANSWERS = 100
"""How many answers to the platform's queries are accepted while the queue is full."""

_ONLY_TEXT = {"text"}
_QUEUED, _SCHEDULED = MessageState.QUEUED, MessageState.SCHEDULED


class Acceptance(MediaFeatures, MessageKinds):
    """Accepts one message or many: each is checked, stored and passed on in the same way."""

    async def _to_message(self, session: str, fields: Mapping[str, Any], now: float | None = None) -> OutboundMessage:
        """Build a message from the fields that a caller gave; it is created at `now` (default: when it is built).
        Messages that are given together need the same `now`, so that the view of a chat keeps their order. Raises
        InvalidInput."""
        if (draft := self._plain_draft(session, fields, self._clock() if now is None else now)) is not None:
            return draft
        content = dict(fields)
        if "to" not in content:
            raise InvalidInput("to: missing", field="to")
        to, reply_to, key = str(content.pop("to")), content.pop("reply_to", None), content.pop("idempotency_key", None)
        ttl, send_at, options = content.pop("ttl", None), content.pop("send_at", None), content.pop("options", None)
        check_text(to, "to", least=1)
        if not self._has_one_form(session):
            to = await self.chat_name(session, to)
        if reply_to is not None:
            check_text(reply_to, "reply_to", least=1)
        if key is not None:
            check_text(key, "idempotency_key", least=1)
        if ttl is not None and not 0 < ttl <= MAX_TTL:
            raise InvalidInput("ttl: seconds, more than 0 and at most 2592000 (30 days)", field="ttl")
        if options is not None and not isinstance(options, Mapping):
            raise InvalidInput("options: an object is needed", field="options")
        if options or content.keys() != _ONLY_TEXT:
            content = self._as_call(content)
            # A document among the fields, such as the keyboard of an edit, has fields of its own to be checked.
            if (
                options
                or content.keys() - fields_of(content)
                or not is_known(content)  # the platform may explain why it has no such message
                or any(isinstance(each, dict) for each in content.values())
            ):
                content, options = await self._with_options(session, content, dict(options or {}))
        parsed = parse_content(content)
        for field, value in content.items():
            if isinstance(value, str):
                check_storable(value, field)
        options = check_document(options, "options") if options else {}
        created_at = self._clock() if now is None else now
        return self._draft(session, to, parsed, reply_to, options, key, ttl, send_at, created_at)

    def _plain_draft(self, session: str, fields: Mapping[str, Any], now: float) -> OutboundMessage | None:
        """A message that is a text without anything unusual. Raises InvalidInput."""
        plain = plain_text(fields) if self._has_one_form(session) else None
        return None if plain is None else self._of_plain(session, plain, now)

    def _of_plain(self, session: str, plain: PlainText, now: float) -> OutboundMessage:
        """Raises InvalidInput for a message that is too far ahead."""
        text = Text(plain.text, plain.format, plain.preview)
        return self._draft(
            session, plain.to, text, plain.reply_to, {}, plain.idempotency_key, plain.ttl, plain.send_at, now
        )

    def _draft(
        self,
        session: str,
        to: str,
        content: Content,
        reply_to: str | None,
        options: Mapping[str, Any],
        key: str | None,
        ttl: float | None,
        send_at: float | None,
        now: float,
    ) -> OutboundMessage:
        """A message of checked fields. Raises InvalidInput for one that is too far ahead."""
        if send_at is not None and not now - MAX_AHEAD <= send_at <= now + MAX_AHEAD:
            raise InvalidInput("send_at: at most a year from now", field="send_at")
        begin, state = (now, _QUEUED) if send_at is None or send_at <= now else (send_at, _SCHEDULED)
        return OutboundMessage(
            id=new_id(),
            session=session,
            to=to,
            content=content,
            state=state,
            reply_to=reply_to,
            options=options,
            idempotency_key=key,
            created_at=now,
            updated_at=now,
            expires_at=begin + (self.settings.message_ttl if ttl is None else ttl),
            send_at=send_at,
            ttl=ttl,
        )

    @cached_property
    def _together(self) -> Batcher[SessionRunner, OutboundMessage, OutboundMessage | RookeryError]:
        """Stores the messages that callers want to send in the same moment in one go."""
        return Batcher(lambda runner, messages: self._store_all(messages[0].session, runner, messages))

    async def _accept(self, message: OutboundMessage) -> OutboundMessage:
        answer: OutboundMessage | RookeryError
        if isinstance(message.content, Text) and (runner := self._runner_of(message.session)) is not None:
            answer = await self._together.run(runner, message)
        else:
            [answer] = await self._accept_all(message.session, [message])
        if isinstance(answer, RookeryError):
            raise answer
        return answer

    def _runner_of(self, session: str) -> SessionRunner | None:
        """The session's runner, unless it is elsewhere or about to stop."""
        runner = self._supervisor.running.get(session)
        return None if runner is None or runner.stopping else runner

    async def _accept_all(
        self, session: str, messages: Sequence[OutboundMessage]
    ) -> Sequence[OutboundMessage | RookeryError]:
        """Store the messages and pass those that were stored to the outbox. Raises NotFound, OutcomeUnknown,
        StoreError."""
        runner = self._runner_of(session)
        refusal: NotConnected | None = None
        if runner is None:
            try:
                await self._check_sendable(session)
            except NotConnected as error:
                refusal = error
        answers: list[OutboundMessage | RookeryError | None] = []
        drafts: list[OutboundMessage] = []
        for message in messages:
            try:
                if isinstance(message.content, PlatformCall):
                    await self._check_platform(session, message.content.platform)
                if refusal is not None and message.state is not MessageState.SCHEDULED:
                    raise refusal
                if not isinstance(message.content, Text):
                    await self._check_media(message.content, message.expires_at)
            except RookeryError as error:
                answers.append(await self._earlier_or(error, message))
            else:
                answers.append(None)
                drafts.append(message)
        stored = iter(await self._store_all(session, runner, drafts))
        return [next(stored) if answer is None else answer for answer in answers]

    async def _store_all(
        self, session: str, runner: SessionRunner | None, messages: Sequence[OutboundMessage]
    ) -> Sequence[OutboundMessage | RookeryError]:
        if not messages:
            return []
        outbox = None if runner is None else runner.outbox
        drafts: list[OutboundMessage] = []
        for message in messages:
            if outbox is not None and message.state is not MessageState.SCHEDULED and outbox.reserve(message):
                message = msgspec.structs.replace(message, state=MessageState.SENDING, attempts=1)
            drafts.append(message)
        self._signals.sends.fire()
        answers: Sequence[tuple[OutboundMessage, bool] | RookeryError] | None = None
        is_refused = False
        # Shielded: a message stored as SENDING must reach its outbox. The store bounds the time.
        with self._shields.open(self.settings.store_timeout, caller=True):
            try:
                answers = await self._enqueue(drafts, None if runner is None else runner.lease)
            except NotFound:
                is_refused = True
                raise
            finally:
                if outbox is not None and answers is None:
                    for draft in drafts:
                        if draft.state is not MessageState.SCHEDULED:
                            outbox.withdraw(draft, reserved=draft.state is MessageState.SENDING)
                            if not is_refused:
                                outbox.doubt(draft.id)
                if answers is None and not is_refused and any(each.state is MessageState.SCHEDULED for each in drafts):
                    self._signals.doubt_schedule()
            if runner is not None:
                self._pass_on(runner, drafts, answers)
            due = min((draft.send_at or 0.0 for draft in drafts if draft.state is MessageState.SCHEDULED), default=inf)
            if due < self._signals.next_release:
                self._signals.schedule.fire()
            now_running = self._supervisor.running.get(session)
            if now_running is not None and now_running is not runner:
                now_running.outbox.wake()  # it started meanwhile and may have read the queue too early
            return [answer if isinstance(answer, RookeryError) else answer[0] for answer in answers]
        raise OutcomeUnknown("the store did not answer in time; the message may have been accepted")

    async def _enqueue(
        self, drafts: Sequence[OutboundMessage], lease: Lease | None
    ) -> Sequence[tuple[OutboundMessage, bool] | RookeryError]:
        limit = self.settings.max_pending_sends
        if all(self._is_urgent(draft.content) for draft in drafts):
            limit += ROOM_FOR_ANSWERS
        if len(drafts) > 1:
            try:
                return await self._store.enqueue_batch(drafts, pending_limit=limit, lease=lease)
            except InvalidInput:  # the database refuses one of the texts; the others may be of other callers
                return [(await self._enqueue([draft], lease))[0] for draft in drafts]
        try:
            return [await self._store.enqueue(drafts[0], pending_limit=limit, lease=lease)]
        except (InvalidInput, AlreadyExists, Busy) as error:
            return [error]

    def _is_urgent(self, content: Content) -> bool:
        """Whether a message answers a query of the platform, see `rookery.outbound.lanes`."""
        if not isinstance(content, PlatformCall):
            return False
        provider = self._providers.get(content.platform)
        return isinstance(provider, QueryAnswering) and provider.answers_query(content.method)

    def _pass_on(
        self,
        runner: SessionRunner,
        drafts: Sequence[OutboundMessage],
        answers: Sequence[tuple[OutboundMessage, bool] | RookeryError],
    ) -> None:
        """Pass the stored messages to the outbox and release the places reserved for those that were not stored."""
        is_lost = False
        for draft, answer in zip(drafts, answers, strict=True):
            if draft.state is MessageState.SCHEDULED:
                continue
            reserved = draft.state is MessageState.SENDING
            stored, created = (draft, False) if isinstance(answer, RookeryError) else answer
            if created and stored.state is draft.state:
                runner.outbox.accept(stored, reserved=reserved)
            else:
                runner.outbox.withdraw(draft, reserved=reserved)
                is_lost = is_lost or created
        if is_lost:  # another owner has the session, and sends the message at once
            self._supervisor.lost(runner.lease)

    async def _earlier_or(self, error: RookeryError, message: OutboundMessage) -> OutboundMessage | RookeryError:
        """The first message with the same key, although `error` refuses this one; otherwise the error. Raises NotFound."""
        if message.idempotency_key is None or not isinstance(error, NotConnected | NotFound):
            return error
        try:
            return (await self._store.enqueue(message, pending_limit=0))[0]  # a limit of 0 means that nothing is stored
        except Busy:
            return error
        except InvalidInput as reused:
            return reused

    async def _check_sendable(self, session: str) -> None:
        row = self._with_latest(await self._store.get_session(session))
        if not row.enabled:
            raise NotConnected(f"the session {session!r} is stopped: start it first")
        if not row.wanted:
            raise NotConnected(
                f"the session {session!r} is {row.health.status} ({row.health.reason}): {row.health.detail}"
            )
