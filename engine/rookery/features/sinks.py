"""Sinks: publish the event log to a message broker with the same delivery engine as webhooks."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import trio

from ..delivery.brokers.target import DEFAULT_TARGET, check_commands, check_target, parse_address
from ..delivery.transports.opening import kind_of, open_transport
from ..delivery.transports.transport import Attempt
from ..errors import InvalidInput, NotFound
from ..model.event import Event
from ..model.webhook import DeadLetter, Delivery, DeliveryAttempt, ReplayQuery, Webhook
from .catalogue import CatalogueFeatures
from .platform.chats import ChatNames
from .validation import check_chats, check_flag, check_id, check_session, check_text, check_timeout

TEST_SECONDS = 15.0
"""Seconds after which a test of a sink ends."""


class SinkFeatures(CatalogueFeatures, ChatNames):
    """Each stored event is published at least once, in order per chat. An event counts as delivered when the broker has
    confirmed it."""

    async def create_sink(
        self,
        *,
        url: str,
        target: str | None = None,
        session: str | None = None,
        events: Sequence[str] | None = None,
        chats: Sequence[str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - of the broker, not of this call
        commands: str | None = None,
        id: str | None = None,
        enabled: bool = True,
    ) -> Webhook:
        """From now on the broker receives the events of `session` (None: of all) with a type in `events` (None: every
        type) of `chats` (None: every one).

        `url` is `nats://`, `amqp://` or `redis://` (or their encrypted forms), with user and password if needed.
        `target` is the subject, routing key or stream; {session}, {type}, {platform} and {chat} stand for those of the
        event. `commands` is a subject, queue or stream from which sends are read, each a JSON object: `session` (of the
        sink if it has one) and the arguments of `submit` (see `docs/sinks.md`).

        Raises InvalidInput, NotFound (the session), AlreadyExists.
        """
        now = self._clock()
        sink = Webhook(
            id=check_id(id) if id is not None else f"sk-{secrets.token_hex(6)}",
            url=check_address(url),
            secret="",
            target=_target(target, url),
            session=session,
            events=self._checked_types(events),
            chats=await self.chat_forms(session, check_chats(chats)),
            timeout=check_timeout(timeout),
            commands=_commands(commands, _target(target, url), url),
            enabled=enabled,
            created_at=now,
            updated_at=now,
        )
        sink = await self._store.create_webhook(sink)
        self._signals.webhooks.fire()
        return sink

    async def get_sink(self, id: str) -> Webhook:
        """Raises NotFound."""
        try:
            found = await self._store.get_webhook(id)
        except NotFound:
            raise NotFound("sink", id) from None
        if not found.is_sink:
            raise NotFound("sink", id)
        return found

    async def list_sinks(self, session: str | None = None) -> Sequence[Webhook]:
        """All sinks, or those of one session."""
        return [found for found in await self._store.list_webhooks(session) if found.is_sink]

    async def update_sink(self, id: str, **changes: Any) -> Webhook:
        """Change `url`, `target`, `session`, `events`, `chats`, `timeout`, `commands` or `enabled`. Raises NotFound
        (also for the session), InvalidInput."""
        before = await self.get_sink(id)
        url = changes.get("url", before.url)
        checks: Mapping[str, Any] = {
            "url": check_address,
            "target": lambda value: _target(value, url),
            "session": check_session,
            "events": self._checked_types,
            "chats": check_chats,
            "timeout": check_timeout,
            "commands": lambda value: value,
            "enabled": check_flag,
        }
        if unknown := sorted(changes.keys() - checks.keys()):
            raise InvalidInput(f"{unknown[0]}: only {', '.join(checks)} can be changed", field=unknown[0])
        fields = {name: checks[name](value) for name, value in changes.items()}
        if "chats" in fields:
            fields["chats"] = await self.chat_forms(fields.get("session", before.session), fields["chats"])
        if "url" in fields and "target" not in fields:
            fields["target"] = _target(before.target, url)  # another broker has other rules
        if fields.keys() & {"url", "target", "commands"}:
            commands, target = fields.get("commands", before.commands), fields.get("target", before.target) or ""
            fields["commands"] = _commands(commands, target, url)
        sink = await self._store.update_webhook(msgspec.structs.replace(before, **fields, updated_at=self._clock()))
        self._signals.webhooks.fire()
        return sink

    async def delete_sink(self, id: str) -> None:
        """Delete a sink and its pending deliveries; the broker keeps what it already has. Raises NotFound."""
        await self.get_sink(id)
        try:
            if not await self._store.delete_webhook(id):
                raise NotFound("sink", id)
        finally:
            self._signals.webhooks.fire()  # when it fails, the sink may be disabled

    async def test_sink(self, id: str) -> tuple[Attempt, float]:
        """Publish one event of type `test` over a separate connection. Returns the attempt and its duration in seconds.
        Raises NotFound."""
        sink = await self.get_sink(id)
        now = self._clock()
        body = {"text": "a test of this sink"}
        event = Event(0, sink.session or "test", "test", "test", secrets.token_hex(8), now, None, None, body, None)
        delivery = Delivery(sink.id, event, "test")
        seconds = min(sink.timeout or self.settings.webhook_timeout, TEST_SECONDS)
        began = trio.current_time()
        with trio.move_on_after(TEST_SECONDS):
            async with (
                open_transport(kind_of(sink), self.settings, self._store.installation) as transport,
                transport.open_route(sink, seconds=seconds) as route,
            ):
                attempt = await route.deliver(delivery, now=now)
                return attempt, trio.current_time() - began
        return Attempt(False, f"the broker did not answer within {TEST_SECONDS:g} s"), trio.current_time() - began

    async def sink_dead_letters(self, id: str, *, after: int = 0, limit: int = 100) -> Sequence[DeadLetter]:
        """Events that were given up, ordered by id; `after` is exclusive. Raises NotFound."""
        await self.get_sink(id)
        return await self._store.dead_letters(id, after=after, limit=limit)

    async def sink_attempts(self, id: str) -> Sequence[DeliveryAttempt]:
        """The last 50 attempts to publish to a sink, newest first; they may be 2 s old. Raises NotFound."""
        await self.get_sink(id)
        return await self._store.recent_attempts(id)

    async def replay_sink(
        self,
        id: str,
        event_ids: Collection[int] | None = None,
        *,
        session: str | None = None,
        since: float | None = None,
        until: float | None = None,
    ) -> int:
        """Publish dead letters again; see `replay`. Raises NotFound."""
        await self.get_sink(id)
        ids = None if event_ids is None else tuple(event_ids)
        count = await self._store.replay(id, ReplayQuery(event_ids=ids, session=session, since=since, until=until))
        self._signals.webhooks.fire()
        return count


def check_address(value: object) -> str:
    """Check the address of a broker. Raises InvalidInput, without the address, which may hold a password."""
    text = check_text(value, "url", least=1, most=2048)
    if not text.isascii() or any(sign <= " " for sign in text):
        raise InvalidInput("url: an address is ASCII without spaces; write other characters as %XX", field="url")
    parse_address(text)
    return text


def _commands(value: object, target: str, url: str) -> str | None:
    if value is None:
        return None
    return check_commands(check_text(value, "commands", least=1, most=255), target, parse_address(url).kind)


def _target(value: object, url: str) -> str:
    return check_target(
        check_text(DEFAULT_TARGET if value is None else value, "target", least=1, most=255), parse_address(url).kind
    )
