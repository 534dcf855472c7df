"""Maps the Bot API's error answers to Rookery's errors (source: the Bot API server's code and documentation)."""

from __future__ import annotations

import re

import msgspec

from rookery.errors import (
    CallRefused,
    NotConnected,
    OutcomeUnknown,
    Rejected,
    RookeryError,
    SendError,
    SendRateLimited,
)

from .methods import unknown_method
from .nesting import flatten
from .surrogates import without_halves

DEFAULT_RETRY_AFTER = 5.0  # seconds, when a 429 names no time
LONGEST_RETRY_AFTER = 86_400.0  # seconds; a longer time is not credible


TOKEN = re.compile(r"(?<![0-9])[0-9]{5,20}(:|%3[Aa])[A-Za-z0-9_-]{20,}")


Answer = tuple[int, dict[bytes, bytes], bytes]
"""Status, headers and body of an answer."""


class Parameters(msgspec.Struct, frozen=True):
    """`ResponseParameters` of the Bot API."""

    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class BotApiAnswer(msgspec.Struct, frozen=True):
    """The envelope of every answer; `result` stays undecoded."""

    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int | None = None
    description: str = ""
    parameters: Parameters | None = None


class ApiError(Exception):
    """The server answered with an error. `status` is the Bot API's error code, or HTTP's if the body is not its own.

    `readable`: whether the body was the Bot API's own JSON.
    """

    def __init__(
        self,
        status: int,
        description: str,
        *,
        readable: bool,
        retry_after: float | None = None,
        migrate_to: int | None = None,
    ) -> None:
        # A proxy may quote the request's URL, which holds the bot's token, and error texts are stored and shown.
        description = TOKEN.sub("***", description)
        super().__init__(f"{status}: {description}")
        self.status = status
        self.description = description
        self.readable = readable
        self.retry_after = retry_after
        self.migrate_to = migrate_to


class NoAnswer(Exception):
    """No answer came. `left`: the request may have arrived. `broken`: the connection broke, as a closed one does."""

    def __init__(self, text: str, *, left: bool, broken: bool = False) -> None:
        super().__init__(text)
        self.left = left
        self.broken = broken


BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_decoder = msgspec.json.Decoder(BotApiAnswer)
_RETRY_AFTER = re.compile(r"retry after ([0-9]{1,9})")


def read_answer(status: int, headers: dict[bytes, bytes], body: bytes) -> msgspec.Raw:
    """The `result` of an answer. Raises ApiError."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        description = (
            "not a Bot API answer" if status < 300 or status >= 400 else "redirected: is the API address right?"
        )
        raise ApiError(status, description, readable=False, retry_after=_header_seconds(headers)) from None
    if answer.ok and 200 <= status < 300:
        return answer.result
    code = answer.error_code or status
    parameters = answer.parameters or Parameters()
    retry_after = parameters.retry_after if parameters.retry_after is not None else _header_seconds(headers)
    if retry_after is None and code == 429 and (told := _RETRY_AFTER.search(answer.description)):
        retry_after = float(told[1])
    if retry_after is not None:
        retry_after = min(max(retry_after, 0.0), LONGEST_RETRY_AFTER)
    raise ApiError(
        code if code >= 300 else 500,
        answer.description or "no description",
        readable=True,
        retry_after=retry_after,
        migrate_to=parameters.migrate_to_chat_id,
    )


def _decode(body: bytes) -> BotApiAnswer:
    """Raises msgspec.DecodeError, ValueError and RecursionError."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        # One text or one nesting that decoders refuse must not hold up all other updates. Nothing else may change: they
        # refuse some numbers, too, but only in the update that has them.
        return _decoder.decode(flatten(without_halves(body.removeprefix(BYTE_ORDER_MARK))))


def _header_seconds(headers: dict[bytes, bytes]) -> float | None:
    value = headers.get(b"retry-after", b"")
    return min(float(value[:9]), LONGEST_RETRY_AFTER) if value.isdigit() else None


def fetch_error(error: ApiError | NoAnswer) -> SendError:
    """The error for a failed fetch of a file: it changed nothing, so every temporary failure may be retried."""
    if isinstance(error, NoAnswer):
        return NotConnected(f"no answer from the Bot API: {error}")
    if error.status == 429:
        return SendRateLimited(error.description, retry_after=error.retry_after or DEFAULT_RETRY_AFTER)
    return (NotConnected if error.status >= 500 or error.status == 401 else Rejected)(f"Telegram answered {error}")


def call_error(error: ApiError | NoAnswer, method: str) -> RookeryError:
    """The error that the caller of a failed direct call gets."""
    if isinstance(error, ApiError) and error.readable:
        if error.status == 404 and "method" not in error.description.lower() and error.description != "Not Found":
            return CallRefused(error.description, error_code=404)
        if error.status == 404:
            return unknown_method(method)
        if error.status not in (401, 421, 429) and 400 <= error.status < 500:
            parameters = {
                name: value
                for name, value in (("migrate_to_chat_id", error.migrate_to), ("retry_after", error.retry_after))
                if value is not None
            }
            return CallRefused(error.description, error_code=error.status, parameters=parameters or None)
    return send_error(error)


REFUSED = (400, 411, 413, 414, 415, 422, 431)
"""Statuses of a front end, with HTML, for a request that it does not pass on and never would."""

NOT_PASSED_ON = (403, 404, 405, 407)
"""Statuses of a misconfigured front end or proxy: the request did not reach the Bot API."""


def send_error(error: ApiError | NoAnswer) -> SendError:
    """The error of a message whose send failed."""
    if isinstance(error, NoAnswer):
        if not error.left:
            return NotConnected(f"the Bot API cannot be reached: {error}")
        return OutcomeUnknown(f"no answer from the Bot API: {error}")
    if error.status == 429:
        return SendRateLimited(error.description, retry_after=error.retry_after or DEFAULT_RETRY_AFTER)
    if error.status in (401, 421):  # the server refused the bot, not the message, which waits for a token that works
        return NotConnected(f"Telegram answered {error}")
    if 300 <= error.status < 400 or (error.status == 500 and "restart" in error.description.lower()):
        return NotConnected(f"Telegram answered {error}")
    if not error.readable and error.status in NOT_PASSED_ON:
        return NotConnected(f"Telegram answered {error}")  # the message waits for an address that works
    if not error.readable and error.status in REFUSED:
        return Rejected(f"the Bot API's front end answered {error.status}")
    if error.status >= 500 or not error.readable:
        return OutcomeUnknown(f"Telegram answered {error}")
    return Rejected(error.description)
