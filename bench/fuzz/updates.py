"""Mutated updates through the whole way of a getUpdates answer: its bytes, the poll, a store, the API's encoder.

    python bench/fuzz/updates.py --cases 100000

Whoever reads the answer as JSON finds as many updates as there are events, and each of them in the store, with a body that
is JSON and goes out as JSON. An answer that cannot be read is an error that passes: the position stays where it was.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import trio

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.mutated_updates import Case, cases, read_independently, refuse

from rookery.errors import Failure, ProviderError, TerminalError
from rookery.model.document import iso
from rookery.model.event import Event, EventQuery, NewEvent
from rookery.model.session import Health, Lease, ProofOfLife, Reason, Session, SessionStatus
from rookery.provider.contract import Inbox
from rookery.store.contract import Store
from rookery.store.open import MemoryStore
from rookery_http.output.wire_forms import WireForms
from rookery_telegram.bot_api.api import BotApi
from rookery_telegram.bot_api.errors import Answer
from rookery_telegram.receiving.polls import Polls
from rookery_telegram.receiving.updates import ALL_KINDS

HANG_SECONDS = 120.0  # without progress; then the process ends with a traceback
ROUND = 200  # cases between two signs of progress
LONGEST_KEY = 250


class _Answers:
    """The Bot API's side of a poll: the bytes of an answer go the way of every answer."""

    def __init__(self) -> None:
        self.body = b""

    async def exchange(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float = 0.0,
        repeat: bool = True,
        on_sent: Callable[[], None] | None = None,
        scope: object = None,
    ) -> Answer:
        """See `BotApi.exchange`."""
        if on_sent is not None:
            on_sent()
        return 200, {}, self.body


class _StoreInbox:
    """An `Inbox` that commits into a store, for a session of its own."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store, self._lease = store, lease
        self.cursor: str | None = None
        self.life = ProofOfLife()
        self.committed: list[NewEvent] = []

    async def commit(self, events: Sequence[NewEvent], cursor: str | None) -> None:
        """See `Inbox.commit`."""
        self.committed += events
        await self._store.append(self._lease, events, cursor)
        self.cursor = cursor

    def beat(self, waited: float | None = None) -> None:
        """See `Inbox.beat`."""

    def now(self) -> float:
        """See `Inbox.now`."""
        return time.time()


class Run:
    """A link that polls mutated answers into a store."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._api = _Answers()
        self._inbox = _StoreInbox(store, lease)
        self._polls = Polls(
            lease.session,
            "5",
            cast(BotApi, self._api),
            cast(Inbox, self._inbox),
            poll_timeout=50,
            allowed_updates=ALL_KINDS,
            takeover=False,
            album_pause=None,
        )
        self._keys: set[tuple[int, str]] = set()
        self._last = 0
        self._forms = WireForms()
        self.types: dict[str, int] = {}
        self.refused = 0

    async def poll(self, case: Case) -> str | None:
        """What is wrong with the outcome of one poll; None when nothing is."""
        self._api.body = case.body
        self._inbox.committed = []
        expected = read_independently(case.body)
        before = self._polls._position
        try:
            await self._polls._poll()
        except ProviderError as error:
            self.refused += 1
            if expected is not None:
                return f"a readable answer is refused: {error}"
            if isinstance(error, TerminalError) or error.kind not in (Failure.SERVER, Failure.NETWORK):
                return f"an answer that cannot be read is {type(error).__name__} of kind {error.kind}"
            if self._inbox.committed or self._polls._position != before:
                return "an answer that cannot be read moved the position"
            return None
        events = [event for event in self._inbox.committed if event.type != "chat_migrated"]
        stored = await self._read_stored()
        return self._compare(events, expected, case.plain) or self._look_at(self._inbox.committed, stored)

    def _compare(self, events: list[NewEvent], expected: list[Any] | None, plain: bool) -> str | None:
        if expected is None:
            return None
        if len(events) != len(expected):
            return f"{len(expected)} updates became {len(events)} events"
        ids = [id for update in expected if (id := _id_of(update)) is not None]
        if ids and self._polls._position.offset != ids[-1] + 1:
            return f"the position is {self._polls._position} after {ids}"
        for event, update in zip(events, expected, strict=True):
            known = _id_of(update)
            if known is not None and event.key != str(known):
                return f"the key of update {known} is {event.key!r}"
            if known is None and not event.key.startswith("sha256:"):
                return f"the key of an update without an id is {event.key!r}"
            if event.type != "unknown" and event.type not in update:
                return f"an update with {list(update)} became {event.type}"
            if plain and json.loads(event.raw) != update:
                return f"the raw document of {event.key} is another one"
        return None

    async def _read_stored(self) -> list[Event]:
        stored = list(await self._store.read_events(EventQuery(after=self._last, limit=1000)))
        if stored:
            self._last = stored[-1].id
        return stored

    def _look_at(self, committed: Sequence[NewEvent], stored: list[Event]) -> str | None:
        """That the store has what it was given, and that it leaves as JSON."""
        by_key = {event.key: event for event in stored}
        for event in committed:
            for name, text in (("key", event.key), ("chat", event.chat or ""), ("sender", event.sender or "")):
                if len(text) > LONGEST_KEY or not text.isprintable():
                    return f"the {name} is {text[:300]!r}"
            if iso(event.time) is None:
                return f"the time is {event.time}"
            if not isinstance(body := json.loads(event.body.decode()), dict):
                return "the body is no object"
            self.types[event.type] = self.types.get(event.type, 0) + 1
            if (event.epoch, event.key) in self._keys:
                continue
            self._keys.add((event.epoch, event.key))
            if (kept := by_key.get(event.key)) is None:
                return f"{event.key} is not in the store"
            if event.type != "unknown" and kept.body != body:
                return f"the store gives another body of {event.key}: {kept.body}"
        with self._forms.reader():
            for kept in stored:
                shown = json.loads(self._forms.json(kept).decode(), parse_constant=refuse)
                if _without_file(shown["body"]) != _without_file(kept.body) or shown["id"] != kept.id:
                    return f"the API shows another event: {shown}"
        return None


def _without_file(body: dict[str, Any]) -> dict[str, Any]:
    """The API adds to a file where it can be fetched."""
    return {name: value for name, value in body.items() if name != "media"}


def _id_of(update: Any) -> int | None:
    id = update.get("update_id") if isinstance(update, dict) else None
    return id if type(id) is int and 1 <= id < 2**31 else None


async def _lease(store: Store) -> Lease:
    health = Health(status=SessionStatus.INITIALIZING, reason=Reason.CREATED, detail="", since=1.0)
    await store.create_session(
        Session(id="fuzz", platform="telegram", name="fuzz", enabled=True, health=health, updated_at=time.time())
    )
    [session] = await store.claim("fuzz", limit=1, now=time.time(), ttl=1e6, only=["fuzz"])
    return Lease(session.id, session.uid, "fuzz", session.fence)


async def run(count: int, seed: int) -> int:
    """How many cases went wrong."""
    store = MemoryStore()
    wrong = 0
    async with store.open():
        polls = Run(store, await _lease(store))
        source = cases(random.Random(seed))
        for number in range(count):
            if number % ROUND == 0:
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            case = next(source)
            try:
                problem = await polls.poll(case)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem is not None:
                wrong += 1
                sys.stderr.write(f"case {number} of seed {seed}: {problem[:1500]}\n{case.body[:4000]!r}\n")
    faulthandler.cancel_dump_traceback_later()
    kinds = len(polls.types)
    print(
        f"{count} getUpdates answers, {polls.refused} of them unreadable, "
        f"{sum(polls.types.values())} events of {kinds} kinds: {wrong} went wrong"
    )
    return wrong


def main() -> int:
    """Run the cases; the exit code is 1 when one of them went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return 1 if trio.run(run, options.cases, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
