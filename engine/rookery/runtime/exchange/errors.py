"""Why there is no complete answer from a server. No text names a path or query, which may contain secrets."""

from __future__ import annotations


class ExchangeError(Exception):
    """There is no complete answer. The text names neither path nor query, which may contain secrets."""


class CannotConnect(ExchangeError):
    """No connection could be made; nothing was sent."""


class ConnectTooSlow(CannotConnect):
    """No connection could be made in time; nothing was sent."""


class SendFailed(ExchangeError):
    """The connection broke before the whole request was sent."""


class SendTooSlow(SendFailed):
    """The request could not be sent in time."""


class AnswerFailed(ExchangeError):
    """The request was sent, but the connection broke before the answer was complete."""


class AnswerTooSlow(AnswerFailed):
    """The request was sent, but the answer did not come in time."""


class NotHttp(AnswerFailed):
    """The received bytes are not a complete HTTP answer."""


class Broken(Exception):
    """The connection ended before any byte of the answer came, as happens when the server had already closed it."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(str(error))
        self.error = error
