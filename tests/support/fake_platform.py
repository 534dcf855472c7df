"""A platform in memory for tests of the engine: links that do what a test tells them, stores that fail on request."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import trio

from rookery import Engine, EngineSettings, OutboundMessage, Receipt, Session, SessionStatus, open_engine
from rookery.errors import InvalidInput, ProviderError, StoreUnavailable
from rookery.model.content import Text
from rookery.model.event import NewEvent
from rookery.model.session import Lease, SessionQuery
from rookery.provider.contract import Inbox
from rookery.store.contract import Store
from rookery.store.open import MemoryStore

EPOCH = 1_700_000_000.0
CALM = EngineSettings(backoff_jitter=0.0)
"""The default settings without the dice."""


def wall_clock() -> float:
    """A wall clock that moves with trio's, so that jumps of a test clock are seen by both."""
    return EPOCH + trio.current_time()


def event(key: object, *, chat: str | None = "7", type: str = "message") -> NewEvent:
    return NewEvent(str(key), type, EPOCH, chat, "9", b'{"text":"hi"}', b'{"raw":true}')


Step = Exception | Callable[[Session, Inbox], Awaitable[None]] | None
"""What one attempt to connect does: fails, runs a function first, or (None) succeeds at once."""


class FakeLink:
    """One connected session. `run` lasts until `end`, `fail` or a cancellation."""

    def __init__(self, platform: FakePlatform, session: Session, inbox: Inbox) -> None:
        self.platform = platform
        self.session = session
        self.inbox = inbox
        self.max_concurrent_sends = platform.max_concurrent_sends
        self.closed = False
        self._done = trio.Event()
        self._error: Exception | None = None

    @property
    def account(self) -> str:
        return f"@{self.session.id}"

    def fail(self, error: Exception) -> None:
        self._error = error
        self._done.set()

    def end(self) -> None:
        self._done.set()

    async def run(self) -> None:
        await self._done.wait()
        if self._error is not None:
            raise self._error

    async def send(self, message: OutboundMessage) -> Receipt:
        return await self.platform.on_send(self, message)


class FakePlatform:
    """`rookery.provider.Provider`. `plans[session]` holds the steps of the next attempts; then each succeeds."""

    platform = "fake"

    def __init__(self) -> None:
        self.plans: dict[str, deque[Step]] = defaultdict(deque)
        self.links: list[FakeLink] = []  # every one that ever connected
        self.attempts: list[tuple[float, str]] = []  # (trio time, session)
        self.sent: list[tuple[float, OutboundMessage]] = []
        self.on_send: Callable[[FakeLink, OutboundMessage], Awaitable[Receipt]] = self.take
        self.on_close: Callable[[FakeLink], Awaitable[None]] | None = None
        self.make_link: Callable[[FakePlatform, Session, Inbox], FakeLink] = FakeLink
        self.max_concurrent_sends = 16
        self.open_links = 0
        self.most_open: dict[str, int] = defaultdict(int)
        self.is_running = False
        self._open_by_session: dict[str, int] = defaultdict(int)

    def plan(self, session: str, *steps: Step) -> None:
        self.plans[session].extend(steps)

    def link(self, session: str = "a") -> FakeLink:
        """The newest link of the session."""
        return next(link for link in reversed(self.links) if link.session.id == session)

    def attempt_times(self, session: str = "a") -> list[float]:
        return [at for at, id in self.attempts if id == session]

    def sent_texts(self, to: str | None = None) -> list[str]:
        return [text_of(message) for _, message in self.sent if to is None or message.to == to]

    async def take(self, link: FakeLink, message: OutboundMessage) -> Receipt:
        self.sent.append((trio.current_time(), message))
        return Receipt(str(len(self.sent)), wall_clock(), message.to)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.is_running = True
        try:
            yield
        finally:
            assert self.open_links == 0, "the provider is left after the last link"
            self.is_running = False

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        if credentials.get("token") == "malformed":
            raise InvalidInput("credentials.token: malformed", field="credentials.token")

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[FakeLink]:
        assert self.is_running
        self.attempts.append((trio.current_time(), session.id))
        self._open_by_session[session.id] += 1
        self.most_open[session.id] = max(self.most_open[session.id], self._open_by_session[session.id])
        try:
            step = self.plans[session.id].popleft() if self.plans[session.id] else None
            if isinstance(step, Exception):
                raise step
            if step is not None:
                await step(session, inbox)
            link = self.make_link(self, session, inbox)
            self.links.append(link)
            self.open_links += 1
            try:
                yield link
            finally:
                try:
                    if self.on_close is not None:
                        await self.on_close(link)
                finally:
                    self.open_links -= 1
                    link.closed = True
        finally:
            self._open_by_session[session.id] -= 1


async def hang(*_: object) -> Any:
    await trio.sleep_forever()


def text_of(message: OutboundMessage) -> str:
    assert isinstance(message.content, Text)
    return message.content.text


class TroubledStore:
    """A store behind which a test stands: `down` lets every method raise, `hanging` lets the named ones hang.

    `open` borrows a store that is open already, so that it survives an engine; leases of earlier owners are void then, as
    in a file that is opened again.
    """

    shared = False

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.down = False
        self.down_methods: set[str] = set()
        self.hanging: set[str] = set()
        self.calls: dict[str, int] = defaultdict(int)
        self.before: Callable[[str], Awaitable[None]] | None = None
        self.after: Callable[[str], Awaitable[None]] | None = None
        self.is_open = False
        self.on_closed: Callable[[], None] | None = None

    @property
    def location(self) -> str:
        return "a troubled place"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        for row in await self.inner.list_sessions(SessionQuery(limit=100_000)):
            if row.owner is not None:
                await self.inner.release(Lease(row.id, row.uid, row.owner, row.fence))
        self.is_open = True
        try:
            yield
        finally:
            self.is_open = False
            if self.on_closed is not None:
                self.on_closed()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            if name in self.hanging:
                await trio.sleep_forever()
            if self.down or name in self.down_methods:
                await trio.lowlevel.checkpoint()
                raise StoreUnavailable("the store is away")
            if self.before is not None:
                await self.before(name)
            result = await method(*args, **kwargs)
            if self.after is not None:
                await self.after(name)
            return result

        return call


@asynccontextmanager
async def open_troubled_store() -> AsyncIterator[TroubledStore]:
    inner = MemoryStore(clock=wall_clock)
    async with inner.open():
        yield TroubledStore(inner)


def open_fake_engine(
    platform: FakePlatform,
    store: Store | TroubledStore | None = None,
    *,
    settings: EngineSettings = CALM,
    **options: Any,
) -> AbstractAsyncContextManager[Engine]:
    return open_engine(
        providers=[platform],
        store=cast(Store, store or MemoryStore(clock=wall_clock)),
        settings=settings,
        clock=wall_clock,
        **options,
    )


async def add(engine: Engine, *ids: str, **fields: Any) -> None:
    for id in ids or ("a",):
        await engine.create_session(id=id, platform="fake", **fields)


async def connected(engine: Engine, *ids: str, seconds: float = 30) -> None:
    """Return when all of these are connected."""
    with trio.fail_after(seconds):
        for id in ids or ("a",):
            await engine.wait_status(id, SessionStatus.CONNECTED)


async def status_of(engine: Engine, id: str = "a") -> tuple[str, str]:
    health = (await engine.get_session(id)).health
    return health.status.value, health.reason.value


async def history_of(engine: Engine, id: str = "a") -> list[tuple[str, str]]:
    """Oldest first. A status is stored a moment after the link reports it."""
    await trio.sleep(0.01)
    return [(one.status.value, one.reason.value) for one in reversed(await engine.history(id))]


async def settled(rounds: int = 50) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(rounds):
        await trio.lowlevel.checkpoint()


def network(text: str = "cable cut") -> ProviderError:
    return ProviderError(text)
