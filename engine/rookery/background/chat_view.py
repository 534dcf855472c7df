"""Fills the view of chats from the event log, slightly behind it, so that receiving does not pay for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter
from typing import Any

import msgspec
import trio

from ..errors import StoreError
from ..log import get_logger
from ..model.chat import ChatEntry, ChatNews, ChatSource
from ..model.event_type import ChatRole, EventType
from ..runtime.signals import Signals
from ..store.contract import Store

CHUNK = 500
"""Number of events per chunk."""
DELAY = 0.5
"""Seconds to wait for more events before the view is updated."""
SHARE = 24.0
"""While events keep coming, the view rests this many times as long as it worked: at most 4 % of one core, so that
receiving is less than 5 % slower."""
REST_MOST = 2.0
"""Most seconds of such a rest: a slow database makes the work long, but not the view older and older."""
BEHIND = 30.0
"""Seconds of age from which the view only rests as long as it works: readers of a chat look through what it lacks."""
POLL_INTERVAL = 5.0  # seconds; other instances also write to a shared store
DUTY = "chats"
DUTY_SECONDS = 30.0
LIVE = 60.0
"""An event stored within this many seconds of its own time is ordered by when it was stored, which is more precise than
a platform's whole seconds. An older event, from a history or after an outage, is ordered by its own time."""
READ_SELF = frozenset({"read_self", "played_self"})
"""Receipts of the account's own devices."""

log = get_logger("DELIVERY")


class _Body(msgspec.Struct, gc=False):
    """The fields of a body that the view uses, whatever values they hold."""

    message_id: Any = None
    message_ids: Any = None
    from_me: Any = None
    chat_type: Any = None
    chat: Any = None
    sender_name: Any = None
    receipt: Any = None
    group: Any = None
    changes: Any = None


_decode = msgspec.json.Decoder(_Body).decode


class ChatView:
    """Owned by the engine. Where several engines share a store, one of them follows the log; each can catch up for a
    reader."""

    def __init__(
        self, owner: str, store: Store, signals: Signals, types: Iterable[EventType], clock: Callable[[], float]
    ) -> None:
        self._owner = owner
        self._store = store
        self._signals = signals
        self._clock = clock
        self._roles: Mapping[tuple[str, str], ChatRole] = {
            (row.platform, row.name): row.role for row in types if row.role is not None and row.platform is not None
        }
        self._position = 0
        self._behind = False
        self._caught_up: dict[str, int] = {}

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            version = self._signals.events.version
            worked = 0.0
            try:
                more = True
                if not self._store.shared or await self._store.take_duties(self._owner, [DUTY], ttl=DUTY_SECONDS):
                    started = perf_counter()
                    more = await self._follow()
                    worked = perf_counter() - started
                else:
                    more = False
            except StoreError as error:
                log.warning("the view of chats cannot be updated", error=str(error))
                await trio.sleep(POLL_INTERVAL)
                continue
            if more:
                await trio.sleep(min((1.0 if self._behind else SHARE) * worked, REST_MOST))
                continue
            with trio.move_on_after(POLL_INTERVAL if self._store.shared else float("inf")):
                await self._signals.events.newer_than(version)
            await trio.sleep(DELAY)

    async def catch_up(self, session: str) -> None:
        """Bring the view of one session up to the newest event. Raises StoreError."""
        position = max(await self._store.chat_position(), self._caught_up.get(session, 0))
        while sources := await self._store.chat_sources(position, session=session, limit=CHUNK):
            await self._write(sources, position=None)
            position = sources[-1].id
            self._caught_up[session] = position
            if len(sources) < CHUNK:
                return

    def forget(self, session: str) -> None:
        """The session is gone, or an operator changed its chats."""
        self._caught_up.pop(session, None)

    async def _follow(self) -> bool:
        """Process one chunk of the log. True when there may be more."""
        self._position = max(self._position, await self._store.chat_position())
        sources = await self._store.chat_sources(self._position, session=None, limit=CHUNK)
        if not sources:
            return False
        await self._write(sources, position=sources[-1].id)
        self._position = sources[-1].id
        self._behind = self._clock() - sources[-1].stored_at > BEHIND
        return len(sources) == CHUNK

    async def _write(self, sources: Sequence[ChatSource], *, position: int | None) -> None:
        entries, news = view_of(sources, self._roles)
        await self._store.write_chats(entries, news, position=position)


def view_of(
    sources: Sequence[ChatSource], roles: Mapping[tuple[str, str], ChatRole]
) -> tuple[list[ChatEntry], list[ChatNews]]:
    """Returns what these events add to the view of their chats. Never raises because of a body's contents."""
    entries: list[ChatEntry] = []
    news: dict[tuple[int, str], ChatNews] = {}
    for source in sources:
        if source.chat is None:
            continue
        role = roles.get((source.platform, source.type))
        try:
            body = _decode(source.body)
        except (msgspec.DecodeError, RecursionError):
            body = _Body()
        known = news.get((source.uid, source.chat)) or ChatNews(uid=source.uid, chat=source.chat)
        at = source.stored_at if 0 <= source.stored_at - source.time < LIVE else source.time
        if role is ChatRole.READ:
            if body.receipt in READ_SELF:
                known.read_at = max(known.read_at or 0.0, at)
        elif role is not None:
            _add(entries, source, body, role, at)
        if role is ChatRole.MESSAGE:
            known.last_at = max(known.last_at or 0.0, at)
            known.kind = _text(body.chat_type) or known.kind
        known.name = _name(body, role, known.kind) or known.name
        if known.last_at is not None or known.read_at is not None or known.name is not None:
            news[source.uid, source.chat] = known
    return entries, list(news.values())


def _add(entries: list[ChatEntry], source: ChatSource, body: _Body, role: ChatRole, at: float) -> None:
    assert source.chat is not None
    found = "out" if body.from_me is True else "in"
    ids = body.message_ids if isinstance(body.message_ids, list) else [body.message_id]
    for id in dict.fromkeys(str(id) for id in ids if isinstance(id, str | int)) or [""]:
        name = found if role is ChatRole.MESSAGE else role.value
        if id or role is ChatRole.MESSAGE:
            entries.append(ChatEntry(source.id, source.uid, source.chat, at, name, id))


def _name(body: _Body, role: ChatRole | None, kind: str | None) -> str | None:
    if (
        isinstance(body.chat, dict)
        and (name := _text(body.chat.get("title")) or _text(body.chat.get("name"))) is not None
    ):
        return name
    if isinstance(body.group, dict):
        return _text(body.group.get("name"))
    if isinstance(body.changes, list):
        named = [each.get("name") for each in body.changes if isinstance(each, dict) and each.get("change") == "name"]
        return _text(named[-1]) if named else None
    if role is ChatRole.MESSAGE and body.from_me is not True and (_text(body.chat_type) or kind) in ("private", None):
        return _text(body.sender_name)
    return None


def _text(value: Any) -> str | None:
    """Returns text that can be stored and has a reasonable length; None for any other value."""
    return value[:500].replace("\0", "") if isinstance(value, str) and value else None
