"""Links a new device: shows QR codes, or a code to type into the phone, in rounds until a person acts (A5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import trio

from rookery.errors import InvalidInput, NotConnected, ProviderError, TerminalError
from rookery.model.session import Action, Reason, SessionStatus
from rookery.provider.contract import Inbox

from ..settings import WorkerSettings

if TYPE_CHECKING:
    from ..worker_pool.port import ClientPort

FIRST_CODE, NEXT_CODE = 60.0, 20.0
"""How long the first QR code of a round, and each later one, is shown, in seconds."""

ROUND = 160.0
"""The length in seconds of a round of six codes. A code to type expires with its round."""

FRESH = 120.0
"""A code to type must stay valid for at least this many seconds; otherwise a new round begins for it."""

NEW_ROUND = 40.0  # seconds within which a requested round must show its first code

PASSKEY = (
    "WhatsApp wants this account to be linked with its passkey, which the library cannot do: remove the passkey in WhatsApp "
    "on the phone (Settings > Account > Passkeys), then start the session again and link it"
)
"""Advice for an account that can be linked only with its passkey."""

SUSPECTED_PASSKEY = (
    "; if that happens each time somebody scans, remove the passkey in WhatsApp on the phone "
    "(Settings > Account > Passkeys)"
)

HURRY = 0.9
"""Share of the last code's lifetime. If a round ends earlier, the network cut it off, and it does not count."""


def phone_digits(phone: str) -> str:
    """A phone number in WhatsApp's form. Raises InvalidInput."""
    digits = re.sub(r"[ ()./-]", "", phone.strip().removeprefix("+"))
    if not (digits.isascii() and digits.isdigit() and 6 <= len(digits) <= 15) or digits.startswith("0"):
        raise InvalidInput("phone: the number with its country code, such as +4915112345678", field="phone")
    return digits


class ShownCode(msgspec.Struct, frozen=True, kw_only=True):
    """`rookery.provider.capabilities.Pairing`. `kind` is "qr" (draw `code` as it is) or "phone" (type it into the phone)."""

    kind: str
    code: str
    expires_at: float
    round: int
    rounds: int


class PairingDesk:
    """The codes of one session while it pairs. The provider keeps it while the session's link opens."""

    def __init__(self, inbox: Inbox, settings: WorkerSettings) -> None:
        self._inbox = inbox
        self._settings = settings
        self._port: ClientPort | None = None
        self._qr: ShownCode | None = None
        self._phone: ShownCode | None = None
        self._round = 0
        self._round_ends = 0.0
        self._code_began = 0.0
        self._asked = False  # whether a code to type was requested in this round
        self._digits = ""  # the number of the phone for that code
        self._unused = False  # whether the last code to type has expired
        self._began = trio.Event()
        self.restarting = False
        """A new round was requested, so the end of the client that shows the old one is not a failure."""

    @property
    def shown(self) -> ShownCode | None:
        """The code to use now: the code to type if one was requested."""
        now = self._inbox.now()
        for shown in (self._phone, self._qr):
            if shown is not None and shown.expires_at > now:
                return shown
        return None

    @property
    def showing(self) -> bool:
        """True while a client shows codes and no phone has used one."""
        return self._port is not None

    def next_round(self) -> None:
        """Call before a client starts to pair. Raises TerminalError after too many rounds without a scan."""
        self._asked = False
        if self.restarting:  # a person has just scanned: this round does not count as unused
            self.restarting = False
            self._round_ends = 0.0
            return
        if self._round >= self._settings.qr_rounds:
            raise TerminalError(
                f"no QR code was scanned in {self._round} rounds: start the session again when someone can scan it",
                reason=Reason.QR_EXPIRED,
                action=Action.SCAN_QR,
            )
        self._round += 1
        self._round_ends = 0.0

    def show(self, port: ClientPort, code: str) -> None:
        """Show a new QR code of the client."""
        now = self._inbox.now()
        first = not self._round_ends
        if first:
            self._round_ends = now + ROUND
        self._port = port
        self._began.set()
        self._code_began = now
        seconds = FIRST_CODE if first else NEXT_CODE
        self._qr = ShownCode(
            kind="qr", code=code, expires_at=now + seconds, round=self._round, rounds=self._settings.qr_rounds
        )
        if self._phone is not None and self._phone.expires_at > now:
            self._wait_for_typing()  # meanwhile the QR codes of the round keep changing
            return
        if self._phone is not None:
            self._phone, self._unused = None, True
        self._inbox.report(
            SessionStatus.QR_REQUIRED,
            Reason.PAIRING,
            ("the code to type has expired: ask for another one, or " if self._unused else "a person has to ")
            + 'scan the QR code with WhatsApp\'s "Linked devices"',
            action=Action.SCAN_QR,
            allow=self._settings.pairing,
            code=self._qr,
        )

    def _wait_for_typing(self, code: ShownCode | None = None) -> None:
        self._inbox.report(
            SessionStatus.CODE_REQUIRED,
            Reason.PAIRING,
            f"a person has to type the code into the phone +{self._digits}",
            action=Action.ENTER_CODE,
            allow=self._settings.pairing,
            code=code,
        )

    def hide(self) -> None:
        """Stop showing a code: none is valid any longer."""
        self._port = self._qr = self._phone = None

    def round_over(self, status: str) -> None:
        """Note that the round ended without a pairing. Raises ProviderError unless another round may begin."""
        self._unused |= self._phone is not None
        self.hide()
        if status == "err-client-outdated":
            raise TerminalError(
                "WhatsApp does not accept this version of neonize any more: update it",
                reason=Reason.CONFIGURATION,
                action=Action.FIX_CONFIGURATION,
            )
        if status.startswith("passkey"):
            raise TerminalError(PASSKEY, reason=Reason.PASSKEY_REQUIRED, action=Action.REMOVE_PASSKEY)
        if status != "timeout":
            raise ProviderError(f"WhatsApp refused to pair: {status}")
        if self._inbox.now() - self._code_began < HURRY * NEXT_CODE:
            raise ProviderError("the connection was lost while a QR code was shown" + SUSPECTED_PASSKEY)

    async def request_code(self, digits: str) -> ShownCode:
        """Request a code to type into the phone with this number. Each code has its own round and expires with it.
        Raises NotConnected, SendError."""
        if self._port is None:
            raise NotConnected("the session does not wait to be paired now")
        if self._asked or self._round_ends - self._inbox.now() < FRESH:
            await self._start_round()
        self._asked, self._unused = True, False
        port = self._port
        code = str(await port.call("pair_phone", phone=digits))
        if self._port is not port:
            raise NotConnected("the round of codes ended meanwhile: ask again")
        self._phone = ShownCode(
            kind="phone",
            code=code,
            expires_at=self._round_ends,
            round=self._round,
            rounds=self._settings.qr_rounds,
        )
        self._digits = digits
        self._wait_for_typing(self._phone)
        return self._phone

    async def _start_round(self) -> None:
        """End the client that shows codes, and wait for the first code of the next one. Raises NotConnected."""
        port = self._port
        assert port is not None, "request_code has checked it"
        self._phone = None  # the code expires with the client that requested it
        self.restarting, self._began = True, trio.Event()
        port.stop()
        with trio.move_on_after(NEW_ROUND):
            await self._began.wait()
        if self._port is None or self._port is port:
            raise NotConnected("a new round of codes did not begin in time: ask again")
