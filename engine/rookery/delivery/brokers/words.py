"""Describes the failure of a broker without the secrets of its address."""

from __future__ import annotations

import ssl

import trio

from ...errors import printable
from .target import BrokerAddress

HIDDEN = "***"
DEEPEST = 10
"""How many causes of causes are looked at."""


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
    for _ in range(DEEPEST):
        behind = error.__cause__ or error.__context__
        if behind is None:
            return None
        while isinstance(behind, BaseExceptionGroup):
            behind = behind.exceptions[0]
        if isinstance(behind, ssl.SSLError | OSError) and str(behind):
            return behind
        error = behind
    return None
