"""One connected account: receives, sends, and detects a connection that only seems alive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import trio

from rookery.errors import NotConnected, ProviderError, SendError
from rookery.log import get_logger
from rookery.model.directory import Question
from rookery.model.event import Event
from rookery.model.message import OutboundMessage, Receipt
from rookery.model.session import Reason, SessionStatus
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox

from ..device.account import Account
from ..device.pairing import PairingDesk
from ..directory.asking import Directory
from ..memory import Memory
from ..protocol import Happened, Notice, Start
from ..settings import AccountSettings, WorkerSettings
from ..worker_pool.pool import WorkerPool
from ..worker_pool.port import ClientPort
from ..worker_pool.process import WorkerProcess
from .failures import failure_of
from .limits import Limits
from .login import Login
from .pacing import pacer
from .presence import appear, learn_name, reject_call
from .receiving import Receiver, note_unstored
from .sending import Sending
from .watch import watch

DEATH_PAUSE = 0.5
"""Seconds before reconnecting a session whose worker ended; doubled each time a worker ends soon after the last one."""

QUICK_DEATHS = 3
"""Consecutive ends of workers after which the engine's own, longer pauses apply."""

SETTLING = 1.0  # seconds for the library to delete the keys of an unlinked device

log = get_logger("SESSION")


class WhatsAppLink:
    """`rookery.provider.Link`; it is connected inside the block of `connected`."""

    max_concurrent_sends = 4

    def __init__(
        self,
        account: Account,
        inbox: Inbox,
        pool: WorkerPool,
        desk: PairingDesk,
        receiver: Receiver,
        memory: Memory,
        settings: WorkerSettings,
        options: AccountSettings,
    ) -> None:
        self._account = account
        self._session = account.session
        self._inbox = inbox
        self._pool = pool
        self._desk = desk
        self._memory = memory
        self._settings = settings
        self._options = options
        self._pacer = pacer(options.sends_per_second, options.sends_per_second_per_chat)
        self._port: ClientPort | None = None
        self._receiver = receiver
        self._login = Login(
            account, inbox, desk, self._receiver, settings, handle=self._handle, worker_ended=self._worker_ended
        )
        self._directory = Directory(self._call, memory, self._note_presence, inbox.now)
        receiver.takes_statuses = options.statuses
        limits = Limits(inbox, options, self._directory.numbers, receiver.facts, receiver.save_facts, memory.wrote)
        self._sending = Sending(account, inbox, receiver, memory, limits, settings, self._call)
        self._ended = False
        self._logged_out = False
        self._logged_in = False
        self._cut = False  # whether the library has reported a cut, and no login since

    @property
    def account(self) -> str:
        """The phone number."""
        return f"+{self._account.number}"

    # Connecting

    @asynccontextmanager
    async def connected(self, worker: WorkerProcess, how: Start) -> AsyncIterator[None]:
        """Start a client as `how` says, under a new number, and wait until WhatsApp accepts it. Disconnects at the end."""
        async with AsyncExitStack() as stack:
            while self._port is None:
                if self._account.jid is None:
                    self._desk.next_round()
                start = msgspec.structs.replace(how, client=self._pool.next_client(), jid=self._account.jid)
                async with AsyncExitStack() as attempt:
                    port = await attempt.enter_async_context(self._client(worker, start))
                    anew = self._account.jid is None
                    if await self._login.accepted(port):
                        self._port, self._logged_in = port, True
                        self._pool.logged_in(self._session)
                        if anew:
                            self._receiver.facts.linked_at = self._inbox.now()
                            await self._receiver.save_facts()
                        stack.push_async_exit(attempt.pop_all())
            yield

    @asynccontextmanager
    async def _client(self, worker: WorkerProcess, start: Start) -> AsyncIterator[ClientPort]:
        async with self._pool.client(worker, start) as port:
            self._ended = False
            try:
                yield port
            finally:
                self._port = None
                with trio.CancelScope(shield=True, deadline=trio.current_time() + self._settings.closing):
                    await self._close(port)

    # Connected

    async def run(self) -> None:
        """Receive until the connection ends. Raises ProviderError."""
        assert self._port is not None, "`connected` is open"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, self._port, self._settings, lambda: self._cut)
            self._appear(self._port, nursery)
            if self._options.history != "none":
                nursery.start_soon(self._receiver.history.run, self._port)
            try:
                async for frame in self._port.events:
                    if isinstance(frame, Happened):
                        await self._receiver.store(self._port, frame)
                        if frame.type == "call" and self._options.reject_calls:
                            nursery.start_soon(reject_call, self._call, frame, self._session)
                        continue
                    self._handle(frame)
                    if frame.kind == "connected":
                        self._appear(self._port, nursery)
            except ProviderError as error:
                await self._account.failed(error)
                raise
            raise self._worker_ended(self._port)

    def _handle(self, notice: Notice) -> None:
        """Handle a notice. Raises ProviderError when it ends the connection."""
        match notice.kind:
            case "connected":
                self._cut = False
                self._inbox.beat()
                self._back("connected again")
            case "disconnected":
                self._cut = True
                self._away("the connection was lost; reconnecting to WhatsApp")
            case "keepalive_timeout":
                self._away(f"unanswered keep-alives: {notice.detail['errors']}")
            case "keepalive_restored":
                self._inbox.beat()
                self._back("keep-alives are answered again")
            case "unstored":
                log.warning(
                    "received messages may not survive a crash", session=self._session, cause=notice.detail["why"]
                )
            case "trouble" | "stream_error":
                log.warning("the library reports a problem", session=self._session, problem=notice.detail)
            case "ended":
                self._ended = True
                note_unstored(self._session, notice)
                if self._port is not None and self._port.worker.quitting:
                    raise self._worker_ended(self._port)
            case "logged_out":
                self._logged_out = True
        if failure := failure_of(notice, takeover=self._options.takeover, now=self._inbox.now()):
            if notice.kind == "unknown_value" and self._memory.trouble(trio.current_time()):
                failure.retry_after = None
            raise failure

    def _away(self, detail: str) -> None:
        self._logged_in = False
        self._pool.logged_out(self._session)
        if self._port is not None:
            self._inbox.report(SessionStatus.RECONNECTING, Reason.NETWORK, detail)

    def _back(self, detail: str) -> None:
        if self._port is not None and not self._logged_in:
            self._inbox.report(SessionStatus.CONNECTED, Reason.CONNECTED, detail)
            self._pool.logged_in(self._session)
        self._logged_in = True

    def _appear(self, port: ClientPort, nursery: trio.Nursery) -> None:
        if not self._account.name:
            nursery.start_soon(learn_name, port, self._account)
        if presences := self._receiver.presences:
            nursery.start_soon(self._directory.resubscribe, list(presences))
        if self._options.presence is not None:
            nursery.start_soon(appear, port, self._options.presence == "available")

    def _worker_ended(self, port: ClientPort) -> ProviderError:
        deaths = self._pool.deaths(self._session)
        return ProviderError(
            f"the worker process ended: {port.worker.end}",
            retry_after=DEATH_PAUSE * 2**deaths if deaths < QUICK_DEATHS else None,
        )

    # Requests of the engine

    @property
    def waiting(self) -> bool:
        """See `rookery.provider.capabilities.Waiting`: the library reconnects by itself, after pauses of its own."""
        return self._port is not None and not self._logged_in

    def ready_in(self, chat: str) -> float:
        """See `rookery.provider.capabilities.Paced`."""
        return self._pacer.ready_in(chat)

    def book(self, chat: str) -> float:
        """See `rookery.provider.capabilities.Paced`."""
        return self._pacer.book(chat)

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message. Raises SendError."""
        return await self._sending.send(message)

    async def ask(self, question: Question) -> Any:
        """See `rookery.provider.capabilities.Directory`."""
        return await self._directory.ask(question)

    async def _note_presence(self, person: str) -> None:
        await self._receiver.subscribe_presence(person)

    async def check(self) -> None:
        """Ask the library whether it is logged in. Raises ProviderError."""
        try:
            is_connected, is_logged_in = await self._call("flags")
        except SendError as error:
            raise ProviderError(str(error)) from None
        if not (is_connected and is_logged_in):
            raise ProviderError("not connected" if not is_connected else "connected, but not logged in")

    async def probe(self) -> None:
        """One round trip to WhatsApp. Raises ProviderError."""
        try:
            await self._call("probe")
        except SendError as error:
            raise ProviderError(f"WhatsApp does not answer: {error}") from None
        self._inbox.beat()

    async def logout(self) -> None:
        """Unlink this device. Raises SendError."""
        await self._call("logout")
        await self._account.logged_out()

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        """See `rookery.provider.capabilities.MediaFetching`: the worker writes the decrypted file itself."""
        message: Mapping[str, Any] = event.raw.get("Message", {}) if isinstance(event.raw, dict) else {}
        await self._call("download", message=message, path=str(sink.path), limit=sink.limit)
        await sink.adopt()

    async def _call(self, method: str, **arguments: Any) -> Any:
        if self._port is None:
            raise NotConnected("not connected")
        return await self._port.call(method, **arguments)

    # Disconnecting

    async def _close(self, port: ClientPort) -> None:
        """Disconnect, and store the events received before. The caller sets the deadline."""
        if self._logged_out:
            await trio.sleep(SETTLING)
        await self._receiver.finish(port)
        if self._ended:
            return
        port.stop()
        async for frame in port.events:
            if isinstance(frame, Happened):
                await self._receiver.store(port, frame)
            elif frame.kind == "ended":
                note_unstored(self._session, frame)
                return
