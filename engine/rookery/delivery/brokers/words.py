"""Says in words what went wrong with a broker, without the secrets of its address."""

from __future__ import annotations

import ssl

import trio

from ...errors import printable
from .target import BrokerAddress

HIDDEN = "***"


def words_of(error: BaseException, address: BrokerAddress) -> str:
    """The error, and what caused it where the library does not say: a certificate that is not trusted, for example."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, trio.TooSlowError):
        return "the broker did not answer in time"
    text = f"{type(error).__name__}: {error}"
    cause = _cause(error)
    if cause is not None and str(cause) not in text:
        text += f" ({cause})"
    for secret in (address.password, address.options.get("token")):
        if secret:
            text = text.replace(secret, HIDDEN)
    return printable(text)[:500]


def _cause(error: BaseException) -> BaseException | None:
    """The TLS or system error behind an error of a library."""
    seen = 0
    found: BaseException | None = error
    while (found := found.__cause__ or found.__context__) is not None and (seen := seen + 1) < 10:
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        if isinstance(found, ssl.SSLError | OSError) and str(found):
            return found
    return None
