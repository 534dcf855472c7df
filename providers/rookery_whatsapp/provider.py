"""The WhatsApp provider: the state that all accounts of one engine share; opens each account's link."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import trio

from rookery.errors import InvalidInput, NotConnected, ProviderError, SendError, TerminalError
from rookery.model.session import Action, Reason, Session, SessionStatus
from rookery.provider.capabilities import Reached, WorkerInfo
from rookery.provider.contract import Inbox, Link
from rookery.runtime.names import open_stream

from .addresses import LID, PHONE, normal
from .device.account import Account, check_credentials, remaining
from .device.devices import open_devices
from .device.pairing import PairingDesk, ShownCode, phone_digits
from .device.unstored import UnstoredFiles
from .event_types import EVENT_TYPES
from .memory import Facts, Memory
from .options import check as check_options
from .options import names as option_names
from .protocol import Start
from .settings import AccountSettings, WorkerSettings, account_settings, check_proxy
from .worker_pool.pool import WorkerPool
from .worker_pool.process import WorkerProcess, default_command

MOST_NAMES = 20_000
"""Maximum number of addresses of all sessions whose other form is remembered."""

SERVER = "web.whatsapp.com"
"""The host that the library connects to, unless a session has a proxy."""


DEVICE_NAME = "Rookery"
"""The name of the linked device on the phone."""


class WhatsApp:
    """`rookery.provider.Provider` for WhatsApp accounts.

    Args:
        data_dir: where the keys of linked devices are kept, a SQLite file per session in `data_dir/whatsapp`.
        database_url: PostgreSQL instead of files.
        schema: the PostgreSQL schema of the library's tables.
        sessions_per_worker: how many accounts share a process; 1 isolates each.
        qr_rounds: rounds of six codes each that a session shows before it stops and waits for a person.
        proxy: the proxy of accounts that set none; see `AccountSettings.proxy`.
        worker_command: the command that starts a worker; the number of its socket is added as the last argument.
        secret_key: encrypts events that wait on disk; several keys comma separated, newest first. None: not encrypted.
        worker_environment: environment variables for workers, added to the engine's own.
        workers: all other settings.
    """

    platform = "whatsapp"
    event_types = EVENT_TYPES
    has_directory = True

    def __init__(
        self,
        *,
        data_dir: str | os.PathLike[str] = ".",
        database_url: str | None = None,
        schema: str = "rookery_whatsapp",
        secret_key: str | None = None,
        sessions_per_worker: int | None = None,
        qr_rounds: int | None = None,
        proxy: str | None = None,
        worker_command: Sequence[str] | None = None,
        worker_environment: Mapping[str, str] | None = None,
        workers: WorkerSettings | None = None,
    ) -> None:
        settings = workers or WorkerSettings()
        if sessions_per_worker is not None:
            settings = msgspec.structs.replace(settings, sessions_per_worker=sessions_per_worker)
        if qr_rounds is not None:
            settings = msgspec.structs.replace(settings, qr_rounds=qr_rounds)
        if settings.qr_rounds < 1:
            raise InvalidInput("qr_rounds: at least 1", field="qr_rounds")
        if settings.sessions_per_worker < 1:
            raise InvalidInput("sessions_per_worker: at least 1", field="sessions_per_worker")
        self._proxy = check_proxy(proxy, "proxy") if proxy is not None else None
        self._settings = settings
        self._devices = open_devices(Path(data_dir), database_url, schema)
        self._unstored = UnstoredFiles(Path(data_dir) / "unstored", secret_key)
        self.pool = WorkerPool(worker_command or default_command(), worker_environment or {}, settings)
        self._desks: dict[str, PairingDesk] = {}
        self._memories: dict[str, Memory] = {}
        self._names: dict[tuple[str, str], Sequence[str]] = {}  # other addresses, by session and address
        self._open_accounts: dict[str, Account] = {}  # of the links open here, by session
        self._tables = trio.Lock()
        self._tables_made = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the pool of worker processes; a process starts when a session needs it."""
        await self._unstored.look()
        async with self.pool.running():
            yield

    def close_by(self, deadline: float) -> None:
        """See `rookery.provider.capabilities.Hurried`."""
        self.pool.close_by = deadline

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Raises InvalidInput."""
        check_credentials(credentials)
        account_settings(settings)

    @asynccontextmanager
    async def open_link(self, session: Session, inbox: Inbox) -> AsyncIterator[Link]:
        """See `rookery.provider.Provider.open_link`."""
        try:
            self.check(session.credentials, session.settings)
            options = account_settings(session.settings)
        except InvalidInput as error:
            raise TerminalError(str(error), reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION) from None
        account = Account(session, inbox, self._devices, allow_rebind=options.allow_rebind)
        for other in self._open_accounts.values():
            if account.jid is not None and other.jid == account.jid and other.session != session.id:
                raise TerminalError(
                    f"the session {other.session!r} uses this linked device already",
                    reason=Reason.CONFIGURATION,
                    action=Action.FIX_CONFIGURATION,
                )
        self._open_accounts[session.id] = account
        try:
            async with self._open(account, session.uid, inbox, options) as link:
                yield link
        finally:
            self._open_accounts.pop(session.id, None)

    @asynccontextmanager
    async def _open(self, account: Account, uid: int, inbox: Inbox, options: AccountSettings) -> AsyncIterator[Link]:
        # With the first account: half of the package, which a server without accounts does not need.
        from .link.encrypted import Opener
        from .link.link import WhatsAppLink
        from .link.receiving import Receiver

        session = account.session
        database = await self._devices.database_for(session)
        await account.check_device()
        inbox.report(SessionStatus.LOADING, Reason.STARTING, "loading the WhatsApp library")
        async with self.pool.worker_for(session, lambda: inbox.trusted_until) as worker:
            await self._make_tables(worker, database)
            desk = self._desks[session] = PairingDesk(inbox, self._settings)
            memory = self._memories.setdefault(session, Memory())
            facts = Facts.read(inbox.cursor)
            receiver = Receiver(session, inbox, memory, facts, Opener(account, self._devices), self._devices)
            link = WhatsAppLink(account, inbox, self.pool, desk, receiver, memory, self._settings, options)
            start = Start(
                0,
                session,
                database,
                account.jid,
                options.proxy or self._proxy,
                DEVICE_NAME,
                options.history,
                self._unstored.place(session, uid),
                await self._unstored.keys(),
            )
            try:
                async with link.connected(worker, start):
                    yield link
            finally:
                if self._desks.get(session) is desk:
                    del self._desks[session]

    async def forget(self, session: Session) -> Mapping[str, str]:
        """Remove the keys of the session's device. Returns the remaining credentials: the account, for the rebind guard.

        Raises ProviderError.
        """
        await self._devices.forget(session.id, session.credentials.get("jid"))
        self._memories.pop(session.id, None)
        return remaining(session.credentials)

    def pairing(self, session: str) -> ShownCode | None:
        """The code to scan or type now, if the session is pairing on this instance."""
        desk = self._desks.get(session)
        return desk.shown if desk is not None else None

    async def request_pairing_code(self, session: str, phone: str) -> ShownCode:
        """A code to type into the phone with this number. Raises InvalidInput, NotConnected, SendError."""
        desk = self._desks.get(session)
        if desk is None:
            raise NotConnected(f"the session {session!r} is not waiting to be paired now")
        digits = phone_digits(phone)
        self._open_accounts[session].check_number(digits)
        return await desk.request_code(digits)

    def option_names(self, kind: str) -> Collection[str]:
        """The options of a kind of message."""
        return option_names(kind)

    def check_options(self, kind: str, options: Mapping[str, Any], *, fields: Collection[str]) -> None:
        """Raises InvalidInput, which names the option and its valid form."""
        check_options(kind, options, fields)

    def chat_address(self, chat: str) -> str:
        """See `rookery.provider.capabilities.ChatNaming`."""
        return normal(chat) or chat

    async def chat_name(self, session: str, chat: str, cursor: str | None) -> str:
        """See `rookery.provider.capabilities.ChatNaming`."""
        address = self.chat_address(chat)
        hidden = Facts.read(cursor).hidden
        if address.endswith(f"@{LID}"):
            if address in hidden:
                return address
            return next(iter(await self._other_names(session, address)), address)
        if hidden and address.endswith(f"@{PHONE}"):
            lids = await self._other_names(session, address)
            return next((lid for lid in lids if lid in hidden), address)
        return address

    async def chat_names(self, session: str, chat: str) -> Sequence[str]:
        """See `rookery.provider.capabilities.ChatNaming`."""
        address = self.chat_address(chat)
        if not address.endswith((f"@{LID}", f"@{PHONE}")):
            return [address]
        return [address, *await self._other_names(session, address)]

    async def _other_names(self, session: str, address: str) -> Sequence[str]:
        known = self._names.get((session, address))
        if known is None:
            try:
                known = await self._devices.other_names(session, address)
            except ProviderError:  # the address itself is a good enough name
                return ()
            if known:
                if len(self._names) >= MOST_NAMES:
                    self._names.clear()
                self._names[session, address] = known
        return known

    async def reach(self) -> Reached:
        """See `Reachable`: checks that the library is installed and WhatsApp's server accepts connections."""
        if find_spec("neonize") is None:
            raise TerminalError(
                "neonize is not installed, but WhatsApp sessions need it: install Rookery with its extra `whatsapp`",
                reason=Reason.CONFIGURATION,
                action=Action.FIX_CONFIGURATION,
            )
        try:
            await (await open_stream(SERVER, 443)).aclose()
        except OSError as error:
            raise ProviderError(f"{SERVER} does not answer: {error}") from None
        return Reached(f"{SERVER} answers, the library is installed")

    async def clean(self, running: Collection[str]) -> Collection[str]:
        """See `rookery.provider.capabilities.Cleanable`: drops recent messages, and records of workers that ended."""
        gone = self._memories.keys() - running
        for session in gone:
            del self._memories[session]
        gone |= self.pool.forget_all_but(running)
        await trio.lowlevel.checkpoint()
        return gone

    def workers(self) -> list[WorkerInfo]:
        """See `rookery.provider.capabilities.WorkerHosting`."""
        return self.pool.infos()

    async def replace_worker(self, id: str, reason: str) -> None:
        """See `rookery.provider.capabilities.WorkerHosting`."""
        await self.pool.replace(id, reason)

    async def _make_tables(self, worker: WorkerProcess, database: str) -> None:
        """In a shared database, let the first client make the tables alone: two at once would fail."""
        if self._devices.shared and not self._tables_made:
            async with self._tables:
                if not self._tables_made:
                    try:
                        await worker.call(0, "prepare", {"database": database})
                    except SendError as error:
                        raise ProviderError(f"the library cannot make its tables: {error}") from None
                    self._tables_made = True
