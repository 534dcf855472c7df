"""The part of a client that handlers use to turn its reports into events."""

from __future__ import annotations

from typing import Any, Protocol

from .found import Found


class Reporter(Protocol):
    """The view that handlers have of `worker.client.Client`."""

    library: Any
    """neonize's client."""

    def both_forms(self, phone: str, lid: str) -> tuple[str, str]:
        """An account's (phone, lid) addresses, the missing one from the library if it knows it."""

    def read_vote(self, event: Any) -> list[str] | None:
        """The SHA-256 (hex) of each chosen option of a poll; None when its secret is unknown."""

    def hang_up_without_keys(self) -> bool:
        """If the library cannot read its store, disconnect and return True."""

    def tell(self, kind: str, detail: dict[str, Any] | None = None) -> None:
        """Send a notice about the connection."""

    def store(self, found: Found) -> None:
        """Hand an event to the engine and wait until it is stored."""
