"""What the library's reports about a connection mean for the session (B4, B5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rookery.errors import Conflict, Failure, ProviderError, TerminalError
from rookery.model.session import Action, Reason

from ..protocol import Notice

BANS = {
    1: "too many messages to people who do not know this number",
    2: "too many people blocked this number",
    3: "too many groups were made",
    4: "the same message too often",
    5: "too many messages through broadcast lists",
}
"""neonize's numbers of reasons for a temporary ban."""

TAKEOVER_PAUSE = 5.0  # seconds before the device is taken back, where the session asked for that


def failure_of(notice: Notice, *, takeover: bool, now: float) -> ProviderError | None:
    """The error that a notice means; None when it is no end."""
    detail = notice.detail
    match notice.kind:
        case "logged_out":
            return _logged_out(detail)
        case "replaced":
            return Conflict(
                "another program uses this linked device (stream replaced)",
                retry_after=TAKEOVER_PAUSE if takeover else None,
            )
        case "banned":
            until = datetime.fromtimestamp(now + detail["seconds"], UTC).isoformat(timespec="seconds")
            why = BANS.get(detail["code"], f"code {detail['code']}")
            return TerminalError(
                f"WhatsApp has banned this account until {until.replace('+00:00', 'Z')}: {why}",
                reason=Reason.BANNED,
                action=Action.RETRY,
            )
        case "outdated":
            return TerminalError(
                "WhatsApp does not accept this version of neonize any more: update it",
                reason=Reason.CONFIGURATION,
                action=Action.FIX_CONFIGURATION,
            )
        case "refused":
            return _refused(detail)
        case "keys_away":
            return ProviderError(
                f"hung up, because the keys of the linked device cannot be read now: {detail['error']}"
            )
        case "ended":
            return ProviderError(f"the client ended: {detail['error'] or 'no reason given'}")
    return None


def _logged_out(detail: dict[str, Any]) -> TerminalError:
    # whatsmeow's comments: 403 is LOCKED and 406 BANNED in WhatsApp's own web client.
    if detail["reason"] == 406:
        return TerminalError("WhatsApp has banned this account", reason=Reason.BANNED, action=Action.SCAN_QR)
    if detail["reason"] == 403:
        return TerminalError(
            "WhatsApp has locked this account: its owner has to look into the phone",
            reason=Reason.TOS_BLOCK,
            action=Action.SCAN_QR,
        )
    how = "was unlinked while it was away" if detail["on_connect"] else "was unlinked"
    return TerminalError(f"the device {how}", reason=Reason.LOGOUT, action=Action.SCAN_QR)


def _refused(detail: dict[str, Any]) -> ProviderError:
    text = f"WhatsApp refused the login: {detail['reason'] or 'unknown reason'} {detail['message']}".strip()
    if detail["reason"] == 409:
        return TerminalError(text, reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION)
    return ProviderError(text, kind=Failure.SERVER)
