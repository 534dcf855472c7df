"""Judges a 409 of Telegram: the bot is in use elsewhere. Whatever a 409 leads to is decided here, or named here.

The server answers `getUpdates` with 409 in two cases, which only its description tells apart:

- A webhook is set. It may be a leftover, so it is deleted once and the bot is polled again. A webhook that is back
  before a poll has succeeded belongs to another program: a conflict.
- Another program polls the bot: a conflict at once.

A conflict ends the link, and nothing is confirmed to the server any more, since the other program may be handling the
same updates. What the session does then is the same for every platform and stands in `TREATMENT`, in
`rookery.session.failure_kinds`: it shows RECONNECTING with reason CONFLICT, asks a person to stop the other program,
tries again after `backoff_conflict` (with the setting `takeover` after `TAKEOVER_PAUSE`), and gives up after
`reconnect_attempts` conflicts in a row.

A 409 to a send or to a call of a method concerns that request alone: see `send_error` and `call_error`.
"""

from __future__ import annotations

from rookery.errors import Conflict, Failure, ProviderError

from .errors import ApiError, NoAnswer

CONFLICT = 409

TAKEOVER_PAUSE = 4.0
"""Seconds. The server holds back every further 409 for three seconds, so an earlier attempt would only wait there."""


def conflict_error(error: ApiError, *, takeover: bool) -> Conflict:
    """The session's error for a 409. `takeover`: insist on the bot instead of waiting."""
    cause = "a webhook keeps being set" if _names_webhook(error) else "another program polls this bot"
    return Conflict(
        f"Telegram answered {error}. It seems that {cause}", retry_after=TAKEOVER_PAUSE if takeover else None
    )


class Conflicts:
    """The 409s of one bot's polls. `Polls` owns it, and deletes the webhook when it says so.

    `webhook_deleted`: since the last poll that succeeded. `lost`: the last failure was a conflict, so nothing may be
    confirmed.
    """

    __slots__ = (
        "lost",
        "webhook_deleted",
    )

    def __init__(self) -> None:
        self.webhook_deleted = False
        self.lost = False

    def calls_for_deletion(self, error: ApiError | NoAnswer) -> bool:
        """True when a failed poll names a webhook that may be a leftover: delete it, then poll again."""
        if self.webhook_deleted or not _names_webhook(error):
            return False
        self.webhook_deleted = True
        return True

    def note(self, failure: ProviderError) -> None:
        """A poll failed for good."""
        self.lost = failure.kind is Failure.CONFLICT


def _names_webhook(error: ApiError | NoAnswer) -> bool:
    return isinstance(error, ApiError) and error.status == CONFLICT and "webhook" in error.description.lower()
