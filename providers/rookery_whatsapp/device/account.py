"""The account and the device of a session, and their stored part."""

from __future__ import annotations

import re
from collections.abc import Mapping

import trio

from rookery.errors import InvalidInput, ProviderError, StoreError, StoreUnavailable, TerminalError
from rookery.log import get_logger
from rookery.model.session import Action, Reason, Session
from rookery.provider.contract import Inbox

from .devices import DeviceStore

JID = re.compile(r"([0-9]{5,20})(?::[0-9]{1,5})?@s\.whatsapp\.net")
NUMBER = re.compile(r"[0-9]{5,20}")

DEAD = (Reason.LOGOUT, Reason.TOS_BLOCK)
"""Reasons that make the device's keys worthless. A ban that logs the device out does the same."""

SAVE_PAUSE = 0.5
"""Seconds between attempts to store a device that was just linked."""

log = get_logger("SESSION")


def check_credentials(credentials: Mapping[str, str]) -> None:
    """`jid`: the linked device, written by Rookery. `account`: the only number that may scan. Raises InvalidInput."""
    if unknown := credentials.keys() - {"jid", "account"}:
        raise InvalidInput(
            "credentials: only `account` (the phone number that may scan) and `jid` are known for WhatsApp; none is needed",
            field=f"credentials.{min(unknown)}",
        )
    if "jid" in credentials and not JID.fullmatch(credentials["jid"]):
        raise InvalidInput("credentials.jid: 4915112345678:1@s.whatsapp.net is needed", field="credentials.jid")
    if "account" in credentials and not NUMBER.fullmatch(credentials["account"]):
        raise InvalidInput(
            "credentials.account: the phone number is needed, digits with the country code", field="credentials.account"
        )


def remaining(credentials: Mapping[str, str]) -> dict[str, str]:
    """The credentials that outlive a linked device: its account, for the rebind guard."""
    account = credentials.get("account") or _number(credentials.get("jid"))
    return {"account": account} if account else {}


class Account:
    """One session's identity. `jid` is the stored device's address; None means that a device must be linked first."""

    def __init__(self, session: Session, inbox: Inbox, devices: DeviceStore, *, allow_rebind: bool) -> None:
        self.session = session.id
        self.jid = session.credentials.get("jid")
        self.lid = ""
        self.name = ""
        self._inbox = inbox
        self._devices = devices
        self._allow_rebind = allow_rebind
        self._expected = session.credentials.get("account") or _number(self.jid)

    @property
    def number(self) -> str:
        """The phone number, without a plus."""
        return _number(self.jid) or self._expected or ""

    @property
    def address(self) -> str:
        """The account's address."""
        return f"{self.number}@s.whatsapp.net"

    def show(self) -> None:
        """Report the session's account to the engine."""
        bare = f"{self.lid.partition(':')[0]}@lid" if self.lid else None
        self._inbox.life.account = {"phone": f"+{self.number}", "lid": bare, "name": self.name or None}

    async def check_device(self) -> None:
        """Check that the stored device exists: without it the library exits or pairs anew. Raises ProviderError."""
        if self.jid is not None and not await self._devices.holds(self.session, self.jid):
            raise TerminalError(
                f"the keys of the linked device {self.jid} are gone from the store: restore them, or log the session out "
                "and scan a QR code",
                reason=Reason.CONFIGURATION,
                action=Action.SCAN_QR,
            )

    async def opened(self, jid: str, lid: str) -> None:
        """Note that the library opened a stored device. Raises TerminalError when it opened a different one."""
        if jid != self.jid:
            raise TerminalError(
                f"the store holds the device {jid} where {self.jid} was expected",
                reason=Reason.CONFIGURATION,
                action=Action.FIX_CONFIGURATION,
            )
        self.lid = lid

    def check_number(self, digits: str) -> None:
        """Check that this phone may be linked. Raises InvalidInput: the rebind guard would refuse it only after
        pairing."""
        if self._expected and digits != self._expected and not self._allow_rebind:
            raise InvalidInput(
                f"phone: the session belongs to +{self._expected}; set `allow_rebind` in its settings to change the account",
                field="phone",
            )

    async def paired(self, jid: str, lid: str) -> TerminalError | None:
        """Store a newly linked device at once. The device of a different account is not stored: returns the error to
        raise once that device is unlinked (the rebind guard)."""
        number = _number(jid)
        if self._expected and number != self._expected and not self._allow_rebind:
            log.warning("another account scanned the code", session=self.session, expected=self._expected, found=number)
            return TerminalError(
                f"the account +{number} scanned the QR code of a session that belongs to +{self._expected}; it was unlinked "
                "again. Set `allow_rebind` in the session's settings to change the account",
                reason=Reason.CONFIGURATION,
                action=Action.SCAN_QR,
            )
        self.jid, self.lid, self._expected = jid, lid, number
        while True:
            try:
                await self._inbox.save_credentials({"jid": jid, "account": number or ""})
            except (
                StoreUnavailable
            ) as error:  # giving up would leave the device behind on the phone; the caller's login deadline applies
                log.error("a linked device could not be stored yet", session=self.session, error=str(error))
                await trio.sleep(SAVE_PAUSE)
            else:
                return None

    async def failed(self, error: ProviderError) -> None:
        """Note that the link ended. Forget the address of a dead device, so that the next start shows a QR code."""
        dead = isinstance(error, TerminalError) and (
            error.reason in DEAD or (error.reason is Reason.BANNED and error.action is Action.SCAN_QR)
        )
        if dead:
            await self.logged_out()

    async def logged_out(self) -> None:
        """Note that the device is unlinked; keep its account for the rebind guard."""
        try:
            await self._inbox.save_credentials(remaining({"account": self.number}))
        except StoreError as error:
            log.error("the end of a linked device could not be stored", session=self.session, error=str(error))


def _number(jid: str | None) -> str | None:
    found = JID.fullmatch(jid) if jid else None
    return found.group(1) if found else None
