"""Brings a newly started client to a login that WhatsApp has accepted."""

from __future__ import annotations

from collections.abc import Callable

import trio

from rookery.errors import ProviderError, SendError, TerminalError
from rookery.log import get_logger
from rookery.model.session import Reason, SessionStatus
from rookery.provider.contract import Inbox

from ..device.account import Account
from ..device.pairing import SUSPECTED_PASSKEY, PairingDesk
from ..protocol import Happened, Notice
from ..settings import WorkerSettings
from ..worker_pool.port import ClientPort
from .receiving import Receiver

LOGOUT_DEADLINE = 5.0  # seconds

log = get_logger("SESSION")


class Login:
    """Shows QR codes, notes which account scanned one, and unlinks an account that is not the session's. The link uses
    it and gets every other notice through `handle`; `worker_ended` makes the error for a worker that has ended."""

    def __init__(
        self,
        account: Account,
        inbox: Inbox,
        desk: PairingDesk,
        receiver: Receiver,
        settings: WorkerSettings,
        *,
        handle: Callable[[Notice], None],
        worker_ended: Callable[[ClientPort], ProviderError],
    ) -> None:
        self._account = account
        self._inbox = inbox
        self._desk = desk
        self._receiver = receiver
        self._settings = settings
        self._handle = handle
        self._worker_ended = worker_ended

    async def accepted(self, port: ClientPort) -> bool:
        """True once WhatsApp accepts the login; False when the caller must start another client: a round of QR codes is
        over, or a device was linked and its client does not log in. Raises ProviderError."""
        try:
            return await self._until_connected(port)
        except ProviderError as error:
            await self._account.failed(error)
            raise
        finally:
            self._desk.hide()

    async def _until_connected(self, port: ClientPort) -> bool:
        refused: TerminalError | None = None
        paired = False
        with trio.CancelScope(deadline=trio.current_time() + self._settings.connecting) as scope:
            async for frame in port.events:
                if isinstance(frame, Happened):
                    await self._receiver.store(port, frame)
                    continue
                scope.deadline = trio.current_time() + self._settings.connecting
                match frame.kind:
                    case "qr":
                        scope.deadline = trio.current_time() + self._settings.pairing
                        self._desk.show(port, frame.detail["code"])
                    case "qr_ended":
                        self._desk.round_over(frame.detail["status"])
                        return False
                    case "ended" if self._desk.restarting:
                        return False
                    case "paired":
                        self._account.name = str(frame.detail.get("name") or "")
                        self._desk.hide()
                        number = str(frame.detail["jid"]).partition("@")[0].partition(":")[0]
                        self._loading(f"linked to +{number}; logging in", allow=self._settings.connecting)
                        refused = await self._account.paired(frame.detail["jid"], frame.detail["lid"])
                        if refused is not None:
                            self._receiver.refuse()
                        else:
                            paired = True
                            scope.deadline = trio.current_time() + self._settings.restarting
                    case "opened":
                        self._account.name = str(frame.detail.get("name") or "")
                        await self._account.opened(frame.detail["jid"], frame.detail["lid"])
                        self._loading("logging in", allow=self._settings.connecting)
                    case "disconnected" if paired:
                        # WhatsApp restarts every newly linked device. The library does not always notice.
                        scope.deadline = trio.current_time() + self._settings.restarting
                    case "connected":
                        if refused is not None:
                            await self._unlink(port)
                            raise refused
                        self._inbox.beat()
                        self._account.show()
                        return True
                    case _:
                        self._handle(frame)
            raise self._worker_ended(port)
        if paired:
            log.info("the library did not log in after pairing; its client is replaced", session=self._account.session)
            return False
        if self._desk.showing:
            raise ProviderError(f"no new QR code within {self._settings.pairing:g} s{SUSPECTED_PASSKEY}")
        raise ProviderError(f"no login within {self._settings.connecting:g} s")

    async def _unlink(self, port: ClientPort) -> None:
        try:
            with trio.fail_after(LOGOUT_DEADLINE):
                await port.call("logout")
        except (SendError, trio.TooSlowError) as error:
            log.warning("a foreign account could not be unlinked", session=self._account.session, error=str(error))

    def _loading(self, detail: str, *, allow: float | None = None) -> None:
        self._inbox.report(SessionStatus.LOADING, Reason.STARTING, detail, allow=allow)
