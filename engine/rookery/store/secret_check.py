"""Where a store keeps secrets, and the canary: a known text, stored encrypted, which shows whether the key fits even when
no secret is stored."""

from __future__ import annotations

from ..errors import SecretKeyError
from .secrets import SecretBox

CANARY = "rookery"

SECRET_COLUMNS = (
    ("sessions", "uid", "credentials"),
    ("sessions", "uid", "settings"),
    ("webhooks", "number", "secret"),
    ("webhooks", "number", "private"),
)
"""The encrypted columns, each as (table, its key, column). An empty text means no secret."""


def check_canary(token: str, location: str, secrets: SecretBox) -> None:
    """Raises SecretKeyError when no key of `secrets` encrypted it."""
    try:
        secrets.decrypt(token)
    except SecretKeyError:
        raise SecretKeyError(
            f"the secret key does not fit {location}: it was used with another key before. Give that key in "
            f"`secret_key` (or put the key file back); to change keys set it to NEW,OLD. "
            f"Nothing was changed."
        ) from None
