"""The simulator itself: many bots behind one HTTP server, with faults in between."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import trio

from . import control
from .faults import Faults
from .methods import albums, chats, contents, copies, editing, media, members, payments, sending, service, topics
from .methods.updates import get_updates
from .settings import Settings
from .strike import strike
from .wire.answers import ApiError, failure, success, too_many_requests
from .wire.connection import BotApiConnection, HungUp, serve_connections
from .wire.exact_sleep import ExactSleeps
from .wire.http import Request, answer
from .wire.parameters import Parameters, read_parameters
from .world.bot import SimulatedBot
from .world.files import FileStore
from .world.limits import Window
from .world.polls import Poll

log = logging.getLogger(__name__)

_TOKEN = re.compile(r"[1-9]\d{0,15}:[A-Za-z0-9_-]{5,}")
_METHODS: dict[str, Callable[[SimulatedBot, Parameters], object]] = {}
for _module in (service, sending, contents, media, albums, copies, editing, payments, topics, members, chats):
    _METHODS.update(_module.METHODS)
_NOT_FOUND = ApiError(404, "Not Found")


class BotApiSimulator:
    """A Bot API server with any number of bots, all in memory.

    `bot(token)` gives access to one bot, `faults` to the injected faults, `latency` to the delays of methods
    (seconds by lower-case method name, `""` for all, from the moment when the simulator reads a request's last byte until
    the call takes effect and its answer begins: what the simulator does meanwhile is part of it, the time that the bytes
    wait to be read is not). It belongs to the Trio thread that serves it.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.faults = Faults()
        self.latency: dict[str, float] = {}
        self.files = FileStore(self.settings.max_stored_bytes)
        self.requests = 0
        self.url = ""
        """`http://host:port` once it is being served."""
        self._bots: dict[str, SimulatedBot] = {}
        self._changes = trio.lowlevel.ParkingLot()
        self._new_bots = 0
        self._newcomers: Window | None = None
        self._sleeps = ExactSleeps()
        self._clock_offset = time.time() - time.perf_counter()

    def clock(self) -> float:
        """Unix time that never goes backwards."""
        return time.perf_counter() + self._clock_offset

    @property
    def bots(self) -> Mapping[str, SimulatedBot]:
        """The bots by token, in the order of their registration."""
        return MappingProxyType(self._bots)

    def bot(self, token: str) -> SimulatedBot:
        """The bot with this token, registered if new. Raises ValueError when the token is malformed."""
        bot = self._bots.get(token)
        if bot is None:
            if not _TOKEN.fullmatch(token):
                raise ValueError("a token looks like 123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11")
            bot = self._bots[token] = SimulatedBot(token, self.settings, self.files, self.clock)
        return bot

    def new_bot(self) -> SimulatedBot:
        """Register one more bot under a token that looks real and is the same in every run."""
        while True:
            self._new_bots += 1
            digest = hashlib.sha256(str(self._new_bots).encode()).digest()
            token = f"{7_000_000_000 + self._new_bots}:AA{base64.urlsafe_b64encode(digest)[:33].decode()}"
            if token not in self._bots:
                return self.bot(token)

    def set_flood_limits(
        self,
        *,
        chat_per_second: float | None = None,
        group_per_minute: float | None = None,
        bot_per_second: float | None = None,
        new_bots_per_minute: float | None = None,
    ) -> None:
        """Replace all flood limits and start counting anew; None means no limit."""
        self.settings.chat_per_second = chat_per_second
        self.settings.group_per_minute = group_per_minute
        self.settings.bot_per_second = bot_per_second
        self.settings.new_bots_per_minute = new_bots_per_minute
        self._newcomers = None
        for bot in self._bots.values():
            bot.forget_flood_windows()

    def reset(self) -> None:
        """Forget all bots, faults and latencies; calls that wait end with 500 `restart`."""
        now = self.clock()
        for bot in self._bots.values():
            bot.polls.fail_waiting(500, "Internal Server Error: restart", now)
        self._bots.clear()
        self.faults.clear()
        self.latency.clear()
        self.requests = 0
        self._newcomers = None

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; checks it whenever a request arrives or ends. The caller sets a timeout."""
        while not condition():
            await self._changes.park()

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `started()` is called with the URL. Raises OSError when the address is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=4096)
        name = f"[{host}]" if family == socket.AF_INET6 else host
        self.url = f"http://{name}:{listener.getsockname()[1]}"
        task_status.started(self.url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sleeps.run)
            await serve_connections(listener, self._handle, self.settings.max_body_bytes)

    async def _handle(self, request: Request, connection: BotApiConnection) -> bytes | None:
        self.requests += 1
        path = request.path.decode("latin-1")
        if "%" in path:
            path = unquote(path)
        try:
            if path.startswith("/bot"):
                token, _, method = path[4:].partition("/")
                return await self._handle_call(token, method.lower(), request, connection)
            if path.startswith("/control"):
                return await control.handle(self, path, request)
            if path.startswith("/file/bot"):
                token, _, file_path = path[9:].partition("/")
                return self._download(token, file_path)
        except ApiError as error:
            return failure(error)
        except (HungUp, OSError):
            raise
        except Exception as error:
            log.exception("the simulator failed to answer %s", request.method)
            return failure(ApiError(500, f"Internal Server Error: {error!r}"))
        finally:
            self._changes.unpark_all()
        return failure(_NOT_FOUND)

    async def _handle_call(
        self, token: str, method: str, request: Request, connection: BotApiConnection
    ) -> bytes | None:
        bot = self._bots.get(token) or self._admit(token)
        bot.calls[method] += 1
        # A waiting task runs only when this call waits itself, and so sees its result.
        self._changes.unpark_all()
        if method != "getupdates":
            return await self._answer(bot, method, None, request, connection)
        poll = bot.polls.open(self.clock())
        poll.probe = connection.check_hung_up
        outcome = "cancelled"
        try:
            response = await self._answer(bot, method, poll, request, connection)
            outcome = "dropped" if response is None else poll.result_name
        except HungUp:
            outcome = "hung_up"
            raise
        finally:
            bot.polls.close(poll, self.clock(), outcome)
        return response

    async def _answer(
        self, bot: SimulatedBot, method: str, poll: Poll | None, request: Request, connection: BotApiConnection
    ) -> bytes | None:
        if self.latency:
            seconds = self.latency.get(method, self.latency.get("", 0))
            if seconds and poll is None:
                await self._sleeps.until(request.arrived_at + seconds)
            elif seconds:
                await connection.pause(request.arrived_at + seconds - trio.current_time())
        if self.faults:
            return await strike(
                self.faults,
                bot.token,
                method,
                connection,
                lambda: self._perform(bot, method, poll, request, connection),
            )
        return await self._perform(bot, method, poll, request, connection)

    async def _perform(
        self, bot: SimulatedBot, method: str, poll: Poll | None, request: Request, connection: BotApiConnection
    ) -> bytes:
        try:
            return await self._call(bot, method, poll, request, connection)
        except ApiError as error:
            bot.errors[error.code] += 1
            return failure(error)

    async def _call(
        self, bot: SimulatedBot, method: str, poll: Poll | None, request: Request, connection: BotApiConnection
    ) -> bytes:
        if bot.is_revoked:
            raise ApiError(401, "Unauthorized")
        parameters = read_parameters(request.query, request.content_type, request.body)
        if poll is not None:
            return await get_updates(bot, poll, parameters, connection)
        function = _METHODS.get(method)
        if function is None:
            raise ApiError(404, "Not Found: method not found")
        return success(function(bot, parameters))

    def _admit(self, token: str) -> SimulatedBot:
        if not _TOKEN.fullmatch(token):
            raise _NOT_FOUND
        if not self.settings.auto_register:
            raise ApiError(401, "Unauthorized")
        if self.settings.new_bots_per_minute is not None:
            self._newcomers = self._newcomers or Window(self.settings.new_bots_per_minute, 60)
            now = self.clock()
            wait = self._newcomers.retry_after(now)
            if wait:
                raise too_many_requests(wait)
            self._newcomers.note(now)
        return self.bot(token)

    def _download(self, token: str, file_path: str) -> bytes:
        bot = self._bots.get(token)
        stored = self.files.by_path(file_path)
        if bot is None or bot.is_revoked or stored is None:
            raise _NOT_FOUND
        return answer(200, stored.content, content_type="application/octet-stream")


@asynccontextmanager
async def open_bot_api_simulator(
    host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None, **changes: Any
) -> AsyncIterator[BotApiSimulator]:
    """Run a simulator for the duration of the block; `changes` override fields of Settings.

    An error of the block's body arrives as it was raised, not inside an ExceptionGroup.
    """
    simulator = BotApiSimulator(settings or Settings(**changes))
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(simulator.serve, host, port)
            try:
                yield simulator
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) != 1:
            raise
        error = group.exceptions[0]
        raise error from error.__cause__
