"""Sessions, their leases and their history in a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ...model.session import Lease, Session, SessionChange, SessionQuery, StatusWrite, Transition


class SessionStore(Protocol):
    """Sessions, their leases and their history."""

    async def create_session(self, session: Session) -> Session:
        """Insert; the store assigns `uid`. Raises AlreadyExists."""

    async def get_session(self, id: str) -> Session:
        """Raises NotFound."""

    async def list_sessions(self, query: SessionQuery) -> Sequence[Session]: ...

    async def count_sessions(self) -> Mapping[tuple[str, str, bool], int]:
        """How many there are by (platform, status, enabled)."""

    async def update_session(self, id: str, change: SessionChange, *, now: float) -> Session:
        """Write operator columns. Raises NotFound."""

    async def delete_session(self, id: str) -> bool:
        """Remove the row with its history, outbound messages and own webhooks (and their deliveries). Its events stay in
        the log until they are pruned. False when there was none. A running owner finds out by `LeaseLost`."""

    async def history(self, id: str) -> Sequence[Transition]:
        """The last `HISTORY_LENGTH` status changes, newest first. Raises NotFound."""

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        """Take up to `limit` wanted sessions that nobody holds, in one statement: owner and expiry set, `fence` + 1.

        `only` restricts it to these ids. Expired leases of others count as free. Ordered by id. A shared store uses its
        own clock instead of `now`.
        """

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        """Extend the leases; returns the sessions that are still held. The others are lost."""

    async def release(self, lease: Lease, *, lost: bool = False) -> None:
        """Give the lease back; a stale one changes nothing and raises nothing. `lost`: it was not kept in time,
        which the next claim tells (`Session.taken_from`), whoever makes it."""

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]:
        """Write statuses in order, each with a history row when status or reason changed. Returns the session ids whose
        lease was stale (those writes changed nothing). A later status of the same session in `writes` wins; all of them
        are in the history. A write that arrives after one with a greater number under the same lease changes nothing: its
        caller gave it up, and the network did not."""

    async def save_credentials(self, lease: Lease, credentials: Mapping[str, str]) -> None:
        """Replace the credentials. Raises LeaseLost."""

    async def occupy(self, lease: Lease, account: str) -> str | None:
        """Note which account of its platform the session runs. Returns the id of another session that is held and runs the
        same one, and notes nothing then; of those that ask at the same moment one gets it. Raises LeaseLost."""
