"""A real engine with a platform made for tests, behind the real server on a free loopback port."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from rookery import Engine, EngineSettings, Event, OutboundMessage, Receipt, Session, open_engine
from rookery.errors import InvalidInput, NotConnected, Rejected
from rookery.model.directory import Question
from rookery.model.event import NewEvent
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox
from rookery_http.api.state import PlatformInput
from rookery_http.config.settings import ApiSettings
from rookery_http.serve import serve_api
from support.clients.answering import Answering
from support.platforms import directory
from support.waiting import until

SECRET_KEY = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
PLATFORMS = {
    "parrot": PlatformInput(
        credentials={
            "type": "object",
            "properties": {"token": {"type": "string", "pattern": "^[0-9]{1,9}:[A-Za-z]{1,40}$"}},
            "required": ["token"],
            "additionalProperties": False,
        },
        example={"credentials": {"token": "1:abc"}},
    )
}


@dataclass
class Code:
    """A code to scan or to type."""

    kind: str
    code: str
    expires_at: float


class Parrot:
    """A platform in memory: `say` lets a person write to the session, `sent` holds the session's messages."""

    platform = "parrot"
    has_directory = True

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []
        self.inboxes: dict[str, Inbox] = {}
        self.hold: trio.Event | None = None
        self.sending = trio.Event()
        self.codes: dict[str, Code] = {}
        self.fetched = 0
        self._key = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        yield

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        if set(credentials) != {"token"} or ":" not in credentials["token"]:
            raise InvalidInput("credentials.token: a parrot has a token like 1:abc", field="credentials.token")

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[ParrotLink]:
        self.inboxes[session.id] = inbox
        yield ParrotLink(self)
        del self.inboxes[session.id]

    def chat_address(self, chat: str) -> str:
        return chat.removeprefix("parrot:")

    async def chat_name(self, session: str, chat: str, cursor: str | None) -> str:
        return self.chat_address(chat)

    async def chat_names(self, session: str, chat: str) -> Sequence[str]:
        return [self.chat_address(chat)]

    def pairing(self, session: str) -> Code | None:
        return self.codes.get(session)

    async def request_pairing_code(self, session: str, phone: str) -> Code:
        if session not in self.codes:
            raise NotConnected("the session does not wait to be paired")
        return Code("phone", f"{phone[-4:]}-CODE", 1_700_000_060.0)

    async def say(self, session: str, text: str, chat: str = "7") -> None:
        self._key += 1
        body = f'{{"text": "{text}"}}'.encode()
        event = NewEvent(str(self._key), "message", 1_700_000_000.0, chat, "9", body, b'{"parrot": true}')
        await self.inboxes[session].commit([event], None)


class ParrotLink:
    """One connected session."""

    def __init__(self, parrot: Parrot) -> None:
        self._parrot = parrot

    async def run(self) -> None:
        await trio.sleep_forever()

    async def send(self, message: OutboundMessage) -> Receipt:
        self._parrot.sending.set()
        if self._parrot.hold is not None:
            await self._parrot.hold.wait()
        if message.to == "nobody":
            raise Rejected("there is nobody")
        self._parrot.sent.append(message)
        return Receipt(str(len(self._parrot.sent)), 1_700_000_000.0, message.to)

    async def ask(self, question: Question) -> Any:
        return directory.answer(question)

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        self._parrot.fetched += 1
        await sink.write(b"parrot")


class Served:
    """What a test needs of a running server."""

    def __init__(self, engine: Engine, parrot: Parrot, url: str, stop: trio.Event, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.parrot = parrot
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.stop = stop
        self.client = client

    async def add(self, id: str = "polly", **more: Any) -> dict[str, Any]:
        """A session that is connected."""
        document = {"id": id, "platform": "parrot", "credentials": {"token": "1:abc"}} | more
        answer = await self.client.post("/v1/sessions", json=document)
        assert answer.status_code == 201, answer.text
        if document.get("enabled", True):
            with trio.fail_after(30):
                await self.engine.wait_status(id, "CONNECTED")  # type: ignore[arg-type]
        return answer.json()  # type: ignore[no-any-return]


@asynccontextmanager
async def serving(
    data: Path,
    *,
    others: Mapping[str, PlatformInput] | None = None,
    engine: EngineSettings | None = None,
    providers: Sequence[Any] = (),
    **settings: Any,
) -> AsyncIterator[Served]:
    """A server in a nursery of its own; on the way out it is stopped and must end within 5 s."""
    engine_settings = engine
    parrot = Parrot()
    stop = trio.Event()
    api = ApiSettings(**{"port": 0, "drain": 1.0} | settings)
    headers = {"Authorization": f"Bearer {api.key}"} if api.key else {}
    opening = open_engine(
        store=f"sqlite:///{data}/rookery.db",
        providers=[parrot, *providers],
        secret_key=SECRET_KEY,
        settings=engine_settings,
    )
    async with opening as engine:  # type: ignore[assignment]
        async with trio.open_nursery() as nursery:
            (address, *_) = await nursery.start(
                partial(serve_api, engine, api, stop=stop, platforms=PLATFORMS | dict(others or {}))  # type: ignore[arg-type]
            )
            # It reads its stored sessions once before it is ready.
            await until(lambda: engine.ready, seconds=30)  # type: ignore[union-attr]
            async with httpx.AsyncClient(base_url=address.url, headers=headers, trust_env=False) as client:
                yield Served(engine, parrot, address.url, stop, client)  # type: ignore[arg-type]
            stop.set()
            nursery.cancel_scope.deadline = trio.current_time() + 5
        assert not nursery.cancel_scope.cancelled_caught, "the server did not end"


Serve = Callable[..., Any]


@pytest.fixture(scope="session")
def platforms() -> dict[str, PlatformInput]:
    return PLATFORMS


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve(key="k") as served:`, for tests that need other settings."""
    return partial(serving, tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Every `httpx.Client` speaks to it; no setting of the environment is left."""
    for name in [name for name in os.environ if name.startswith("ROOKERY_")]:
        monkeypatch.delenv(name)
    answering = Answering()
    make = httpx.Client.__init__

    def init(self: httpx.Client, **options: Any) -> None:
        make(self, **options | {"transport": answering})

    monkeypatch.setattr(httpx.Client, "__init__", init)
    return answering
