"""Maps the library's reports about a connection to errors of the session (B4, B5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rookery.errors import Conflict, Failure, ProviderError, TerminalError
from rookery.model.session import Action, Reason

from ..protocol import Notice

BANS = {
    1: "too many messages to people who do not know this number",
    2: "too many people blocked this number",
    3: "too many groups created",
    4: "the same message sent too often",
    5: "too many messages to broadcast lists",
}
"""neonize's numbers of reasons for a temporary ban."""

LONGEST_BAN = 100 * 365 * 86_400  # seconds; a longer one is a mistake

LOGIN_FORMS = ("ConnectFailure", "LoggedOut")
"""The library's types for a refused login."""

FINAL = frozenset({411, 412, 415, 416, 417, 418})
"""WhatsApp's codes for logins that it refuses for good; the library has no names for them."""

UNKNOWN_PAUSE = 0.05  # seconds before replacing a client that the library ended because of an unknown value

TAKEOVER_PAUSE = 5.0  # seconds before taking the device back, if the session asks for that


def failure_of(notice: Notice, *, takeover: bool, now: float) -> ProviderError | None:
    """The error for a notice; None when the notice does not end the connection."""
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
            return _banned(BANS.get(detail["code"], f"code {detail['code']}"), detail["seconds"], now)
        case "outdated":
            return TerminalError(
                "WhatsApp no longer accepts this version of neonize: update it",
                reason=Reason.CONFIGURATION,
                action=Action.FIX_CONFIGURATION,
            )
        case "refused":
            return _refused(detail)
        case "unknown_value":
            return _unknown_value(detail, now)
        case "keys_away":
            return ProviderError(
                f"disconnected, because the keys of the linked device cannot be read now: {detail['error']}"
            )
        case "ended":
            return ProviderError(f"the client ended: {detail['error'] or 'no reason given'}")
    return None


def _banned(why: str, seconds: int | None, now: float) -> TerminalError:
    until = ""
    if seconds and 0 < seconds < LONGEST_BAN:
        end = datetime.fromtimestamp(now + seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        until = f" until {end}"
    return TerminalError(
        f"WhatsApp has banned this account{until or ' for an unknown time'}: {why}",
        reason=Reason.BANNED,
        action=Action.RETRY,
    )


def _unknown_value(detail: dict[str, Any], now: float) -> ProviderError:
    """The library ended the client because it does not know a value that WhatsApp sent.

    For a refused login, WhatsApp's code decides. Any other report was already acknowledged and will not be repeated:
    reconnect at once, as nothing is wrong with the account.
    """
    form, number = detail["form"], detail["reason"]
    if form == "TemporaryBan" or (form in LOGIN_FORMS and number == 402):
        return _banned("for a reason that the library does not know", detail["seconds"], now)
    if form in LOGIN_FORMS:
        return _refused(detail)
    return ProviderError(
        f"WhatsApp reported something that neonize does not know ({form}.{detail['field']}), which ended the client",
        retry_after=UNKNOWN_PAUSE,
    )


def _logged_out(detail: dict[str, Any]) -> TerminalError:
    # whatsmeow's comments: 403 is LOCKED and 406 BANNED in WhatsApp's own web client.
    if detail["reason"] == 406:
        return TerminalError("WhatsApp has banned this account", reason=Reason.BANNED, action=Action.SCAN_QR)
    if detail["reason"] == 403:
        return TerminalError(
            "WhatsApp has locked this account: its owner has to open WhatsApp on the phone",
            reason=Reason.TOS_BLOCK,
            action=Action.SCAN_QR,
        )
    how = "was unlinked while it was away" if detail["on_connect"] else "was unlinked"
    return TerminalError(f"the device {how}", reason=Reason.LOGOUT, action=Action.SCAN_QR)


def _refused(detail: dict[str, Any]) -> ProviderError:
    text = f"WhatsApp refused the login: {detail['reason'] or 'unknown reason'} {detail['message']}".strip()
    if detail["reason"] == 409:
        return TerminalError(text, reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION)
    if detail["reason"] in FINAL:
        return TerminalError(text, reason=Reason.TOS_BLOCK, action=Action.SCAN_QR)
    return ProviderError(text, kind=Failure.SERVER)
