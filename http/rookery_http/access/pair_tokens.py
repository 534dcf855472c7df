"""Tokens for the page on which the owner of a phone links one session: signed, bound to that session, valid for some minutes.

Every instance with the same API key accepts them. A server without a key makes its own secret, which is lost when it
ends.
"""

from __future__ import annotations

import base64
import hmac
import secrets

import msgspec

_OWN = secrets.token_hex(32)
SIGNATURE = 32  # bytes


class PairToken(msgspec.Struct, frozen=True, array_like=True):
    """The signed content. `uid` is the session's row: a new session with the same id has another `uid`."""

    session: str
    uid: int
    made_at: float  # seconds since 1970
    expires_at: int


def make(token: PairToken, key: str | None) -> str:
    """The token as text for a path."""
    data = msgspec.msgpack.encode(token)
    return base64.urlsafe_b64encode(_sign(data, key) + data).rstrip(b"=").decode()


def read(text: str, key: str | None, *, now: float) -> PairToken | None:
    """The token's content; None when the token was not made with this key or has expired."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        signature, data = data[:SIGNATURE], data[SIGNATURE:]
        if not hmac.compare_digest(signature, _sign(data, key)):
            return None
        token = msgspec.msgpack.decode(data, type=PairToken)
    except (ValueError, msgspec.DecodeError):
        return None
    return token if token.expires_at > now else None


def _sign(data: bytes, key: str | None) -> bytes:
    return hmac.digest(b"rookery pair " + (key or _OWN).encode(), data, "sha256")
