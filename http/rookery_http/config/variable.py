"""One environment variable of `rookery serve`, and the kinds of value that it may have."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from pydantic import Field


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    kind: Any
    default: Any
    unit: str = ""
    meaning: str
    right: str  # completes "... is needed"
    secret: bool = False
    group: str
    shown_default: str | None = None

    @property
    def default_text(self) -> str:
        """The default for people."""
        if self.shown_default is not None:
            return self.shown_default
        if self.default is None:
            return "none"
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, float):
            return f"{self.default:g}" if self.default < 1e6 else f"{self.default:.0f}"
        return str(self.default)


def seconds(least: float = 0.001, most: float = 3_155_760_000.0) -> Any:
    """A duration that is not absurd."""
    return Annotated[float, Field(ge=least, le=most, allow_inf_nan=False)]


def share() -> Any:
    """A part of a whole; 0.8 is 80 %."""
    return Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


def count(least: int = 0, most: int = 2**53) -> Any:
    """A whole number in bounds."""
    return Annotated[int, Field(ge=least, le=most)]


def http_address(value: str) -> str:
    """A server's address, perhaps with a path. Raises ValueError."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not an HTTP address")
    if parts.username is not None or "?" in value or "#" in value or any(sign <= " " for sign in value):
        raise ValueError("more than an HTTP address")
    return value
