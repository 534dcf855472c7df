"""Webhooks and their dead letters as the API shows them."""

from __future__ import annotations

import msgspec

from rookery import model
from rookery.model.webhook import WebhookFacts, shown_url

from ..config.advice import with_variables
from .values import REDACTED, Moment, moment, moment_or_none
from .views import Event


class Webhook(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint, and how deliveries to it go. `secret` is shown once, in the answer to its creation or rotation.

    `pending` events wait, the oldest for `lag` seconds. `delivered` and `failed` count attempts, `last_status` is what the
    last one was answered (null: nothing), `deliveries_per_second` is the rate of the last 10 s. `latency_p50` and
    `latency_p99` are seconds that half and 99 % of the recent attempts (up to 1,000) took at most; null before the first.
    These are up to 2 s old.
    """

    id: str
    url: str
    session: str | None
    events: list[str] | None
    chats: list[str] | None
    headers: dict[str, str]
    timeout: float | None
    enabled: bool
    replies: bool
    format: str
    previous_secret_until: Moment | None
    created_at: Moment
    updated_at: Moment
    pending: int
    dead: int
    oldest_pending_at: Moment | None
    last_success_at: Moment | None
    last_error: str | None
    last_error_at: Moment | None
    last_status: int | None
    delivered: int
    failed: int
    deliveries_per_second: float
    latency_p50: float | None
    latency_p99: float | None
    lag: float
    secret: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(
        cls, webhook: model.Webhook, facts: WebhookFacts | None = None, *, now: float = 0.0, show_secret: bool = False
    ) -> Webhook:
        """`now` is the engine's time."""
        facts = facts or WebhookFacts()
        return cls(
            id=webhook.id,
            url=shown_url(webhook.url),
            session=webhook.session,
            events=list(webhook.events) if webhook.events is not None else None,
            chats=list(webhook.chats) if webhook.chats is not None else None,
            headers=dict.fromkeys(webhook.headers, REDACTED),
            timeout=webhook.timeout,
            enabled=webhook.enabled,
            replies=webhook.replies,
            format=webhook.format,
            previous_secret_until=moment_or_none(webhook.previous_until),
            pending=facts.pending,
            dead=facts.dead,
            oldest_pending_at=moment_or_none(facts.oldest_pending_at),
            last_success_at=moment_or_none(facts.last_success_at),
            last_error=with_variables(facts.last_error),
            last_error_at=moment_or_none(facts.last_error_at),
            last_status=facts.last_status,
            delivered=facts.delivered,
            failed=facts.failed,
            deliveries_per_second=facts.rate,
            latency_p50=facts.latency_p50,
            latency_p99=facts.latency_p99,
            lag=facts.lag(now),
            created_at=moment(webhook.created_at),
            updated_at=moment(webhook.updated_at),
            secret=webhook.secret if show_secret else msgspec.UNSET,
        )


class WebhookList(msgspec.Struct, frozen=True):
    webhooks: list[Webhook]


class Sink(msgspec.Struct, frozen=True, kw_only=True):
    """A broker that receives the events of the log, and how deliveries to it go; the figures are those of a webhook. A
    password in `url` is not shown. Sends are read from `commands`; `last_command_error` says why the last one was
    refused, or why none can be read."""

    id: str
    url: str
    target: str
    commands: str | None
    session: str | None
    events: list[str] | None
    chats: list[str] | None
    timeout: float | None
    enabled: bool
    created_at: Moment
    updated_at: Moment
    pending: int
    dead: int
    oldest_pending_at: Moment | None
    last_success_at: Moment | None
    last_error: str | None
    last_error_at: Moment | None
    delivered: int
    failed: int
    deliveries_per_second: float
    latency_p50: float | None
    latency_p99: float | None
    lag: float
    commands_accepted: int
    commands_refused: int
    last_command_error: str | None
    last_command_error_at: Moment | None

    @classmethod
    def of(cls, sink: model.Webhook, facts: WebhookFacts | None = None, *, now: float = 0.0) -> Sink:
        """`now` is the engine's time."""
        facts = facts or WebhookFacts()
        return cls(
            id=sink.id,
            url=shown_url(sink.url),
            target=sink.target or "",
            commands=sink.commands,
            session=sink.session,
            events=list(sink.events) if sink.events is not None else None,
            chats=list(sink.chats) if sink.chats is not None else None,
            timeout=sink.timeout,
            enabled=sink.enabled,
            created_at=moment(sink.created_at),
            updated_at=moment(sink.updated_at),
            pending=facts.pending,
            dead=facts.dead,
            oldest_pending_at=moment_or_none(facts.oldest_pending_at),
            last_success_at=moment_or_none(facts.last_success_at),
            last_error=sink.unreadable or facts.last_error,
            last_error_at=moment_or_none(facts.last_error_at),
            delivered=facts.delivered,
            failed=facts.failed,
            deliveries_per_second=facts.rate,
            latency_p50=facts.latency_p50,
            latency_p99=facts.latency_p99,
            lag=facts.lag(now),
            commands_accepted=facts.commands_accepted,
            commands_refused=facts.commands_refused,
            last_command_error=with_variables(facts.command_error),
            last_command_error_at=moment_or_none(facts.command_error_at),
        )


class SinkList(msgspec.Struct, frozen=True):
    sinks: list[Sink]


class SinkTested(msgspec.Struct, frozen=True):
    """The result of a test: `error` says why the broker did not confirm it, `seconds` how long it took."""

    delivered: bool
    error: str | None
    seconds: float


class WebhookTested(msgspec.Struct, frozen=True):
    """The result of a test: `status` and the beginning of `answer` are the endpoint's, `error` says why it did not
    count as delivered, `seconds` how long it took."""

    delivered: bool
    status: int | None
    error: str | None
    seconds: float
    answer: str


class Attempt(msgspec.Struct, frozen=True):
    """One attempt to deliver an event; `attempt` counts from 1. `seconds` is how long the endpoint took, `status` what it
    answered (null: nothing, or a broker), `answer` the beginning of its answer. A delivered attempt has an `error` when
    replies in the answer were bad."""

    event: int
    session: str
    type: str
    chat: str | None
    attempt: int
    at: Moment
    seconds: float
    delivered: bool
    status: int | None
    error: str | None
    answer: str

    @classmethod
    def of(cls, attempt: model.DeliveryAttempt) -> Attempt:
        return cls(
            event=attempt.event_id,
            session=attempt.session,
            type=attempt.type,
            chat=attempt.chat,
            attempt=attempt.attempt,
            at=moment(attempt.at),
            seconds=round(attempt.seconds, 6),
            delivered=attempt.delivered,
            status=attempt.status,
            error=with_variables(attempt.error),
            answer=attempt.answer,
        )


class AttemptList(msgspec.Struct, frozen=True):
    """The last 50, newest first; up to 2 s old."""

    attempts: list[Attempt]


class DeadLetter(msgspec.Struct, frozen=True):
    """A delivery that was given up."""

    event: Event
    attempts: int
    error: str
    at: Moment

    @classmethod
    def of(cls, letter: model.DeadLetter) -> DeadLetter:
        return cls(Event.of(letter.event), letter.attempts, with_variables(letter.error), moment(letter.at))


class DeadLetterPage(msgspec.Struct, frozen=True):
    """Ordered by event; `next` is the value of `after` for the next page, null on the last."""

    dead_letters: list[DeadLetter]
    next: int | None


class Replayed(msgspec.Struct, frozen=True):
    """How many dead letters will be delivered again."""

    replayed: int
