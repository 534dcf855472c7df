"""The state that every handler gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import trio
from quart import Request, Websocket

from rookery import Engine
from rookery.model.event_type import EventType

from ..access.callers import Caller, given_key, identify
from ..access.cors import Cors
from ..access.rate_limit import RateLimits
from ..access.wrong_keys import WrongKeys
from ..config.load import Config
from ..config.origins import networks_of, origins_of
from ..config.settings import ApiSettings
from ..input.body_budget import BodyBudget
from ..input.documents import Documents
from ..operate.log_tail import LogTail
from ..operate.logs import Mask
from ..operate.readiness import Readiness
from ..operate.requests import Requests
from ..output.problems import Problem
from ..output.wire_forms import WireForms

NULL = {"type": "null"}


class PlatformInput(msgspec.Struct, frozen=True):
    """JSON schemas of what a platform accepts at the creation of a session, for the OpenAPI description.

    `event_types` are the platform's rows of the catalogue. `example` holds made-up `credentials` and `settings`.
    """

    credentials: Mapping[str, Any]
    settings: Mapping[str, Any] = msgspec.field(default_factory=lambda: {"type": "object"})
    example: Mapping[str, Any] = {}
    options: Mapping[str, Mapping[str, Any]] = {}  # JSON schemas of each kind's further options, by name
    objects: Mapping[str, Mapping[str, Any]] = {}  # JSON schemas that those of the options refer to, by name
    event_types: tuple[EventType, ...] = ()

    def fits(self, field: str, value: Mapping[str, Any]) -> bool:
        """True when `value` has the names that this platform accepts, with any content, and null only where allowed."""
        schema: Mapping[str, Any] = getattr(self, field)
        known: Mapping[str, Any] = schema.get("properties", {name: {"anyOf": [NULL]} for name in value})
        null = (name for name, item in value.items() if item is None)
        return set(schema.get("required", ())) <= value.keys() <= known.keys() and all(
            NULL in known[name].get("anyOf", ()) for name in null
        )


class Api:
    """The engine, the settings, and the event that ends long answers."""

    def __init__(
        self,
        engine: Engine,
        settings: ApiSettings,
        *,
        stopping: trio.Event,
        platforms: Mapping[str, PlatformInput] | None = None,
        describe: Callable[[], dict[str, Any]],
        describe_streams: Callable[[], dict[str, Any]],
        config: Config | None = None,
    ) -> None:
        """`describe` makes the OpenAPI document of this server, `describe_streams` its AsyncAPI document. `config` is what
        `rookery serve` was given; a program that embeds the API has none."""
        self.engine = engine
        self.settings = settings
        self.stopping = stopping
        self.rate_limits = RateLimits()
        self.bodies = BodyBudget(settings.body_memory, max(settings.body_memory // 2, settings.max_body))
        self.documents = Documents()
        self.readiness = Readiness(engine)
        self.wire_forms = WireForms()
        self.wrong_keys = WrongKeys()
        self.cors = Cors(origins_of(settings.cors_origins))
        self.trusted_proxies = networks_of(settings.trusted_proxies)
        self.requests = Requests()
        self.config = config
        self.log_tail = LogTail(Mask(config.secrets if config is not None else [settings.key or ""]))
        self.platforms = dict(platforms or {})
        self.describe = describe
        self.describe_streams = describe_streams
        self._waits: set[trio.CancelScope] = set()

    async def identify(self, incoming: Request | Websocket, key: str | None = None) -> Caller:
        """The caller, by `key` or the headers. Raises a Problem: 401, or 429 after many wrong keys of its address."""
        key = given_key(incoming.headers) if key is None else key
        address = incoming.remote_addr or ""
        if key is not None:
            self.wrong_keys.check(address, key)
        try:
            caller = await identify(self.engine, key, self.settings.key)
        except Problem as problem:
            if key is not None and problem.status == 401:
                await self.wrong_keys.was_wrong(address)
            raise
        if key is not None:
            self.wrong_keys.was_right(key)
        return caller

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A block for a wait that may take long: it is cancelled when the server stops."""
        with trio.CancelScope() as scope:
            if self.stopping.is_set():
                scope.cancel()
            self._waits.add(scope)
            try:
                yield
            finally:
                self._waits.discard(scope)

    async def end_waits(self) -> None:
        """Cancel every `waiting` block once the server stops. The server runs this until then."""
        await self.stopping.wait()
        for scope in self._waits:
            scope.cancel()
