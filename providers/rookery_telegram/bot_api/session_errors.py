"""Maps failures of the session's own calls (`deleteWebhook`, `getMe`, `getUpdates`) to the errors that end its link."""

from __future__ import annotations

from rookery.errors import Failure, ProviderError, RateLimited, TerminalError
from rookery.model.session import Action, Reason

from .conflict import CONFLICT, conflict_error
from .errors import DEFAULT_RETRY_AFTER, ApiError, NoAnswer


def poll_error(error: ApiError | NoAnswer, *, opening: bool, takeover: bool) -> ProviderError:
    """The session's error for a failed `deleteWebhook`, `getMe` (`opening`) or `getUpdates`."""
    if isinstance(error, NoAnswer):
        return ProviderError(f"the Bot API does not answer: {error}", kind=Failure.NETWORK)
    text = f"Telegram answered {error}"
    if error.status == 401 or (error.status == 404 and opening):
        return TerminalError(
            f"{text}. The token is wrong or was revoked", reason=Reason.INVALID_TOKEN, action=Action.REPLACE_TOKEN
        )
    if error.status == 421:
        return TerminalError(
            f"{text}. This bot belongs to another Bot API server",
            reason=Reason.CONFIGURATION,
            action=Action.FIX_CONFIGURATION,
        )
    if error.status == CONFLICT:
        return conflict_error(error, takeover=takeover)
    if error.status == 429:
        # When many bots start, the server admits 20 new ones a minute, 600 an hour: normal if it says when to retry.
        queueing = opening and error.retry_after is not None
        return RateLimited(text, retry_after=error.retry_after or DEFAULT_RETRY_AFTER, queueing=queueing)
    return ProviderError(text, kind=Failure.SERVER)
