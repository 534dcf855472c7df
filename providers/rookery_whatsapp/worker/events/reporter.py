"""What handlers need of the client whose reports they turn into events."""

from __future__ import annotations

from typing import Any, Protocol

from .found import Found


class Reporter(Protocol):
    """`worker.client.Client`, as handlers see it."""

    library: Any
    """neonize's client."""

    def both_forms(self, phone: str, lid: str) -> tuple[str, str]:
        """An account's (phone, lid) addresses, where the library knows the one that is missing."""

    def read_vote(self, event: Any) -> list[str] | None:
        """The SHA-256 (hex) of each chosen option of a poll; None when its secret is not known here."""

    def hang_up_without_keys(self) -> bool:
        """Disconnect when the library cannot read its store; True when it did."""

    def tell(self, kind: str, detail: dict[str, Any] | None = None) -> None:
        """Send a notice about the connection."""

    def store(self, found: Found) -> None:
        """Hand an event to the engine and wait until it is stored."""
