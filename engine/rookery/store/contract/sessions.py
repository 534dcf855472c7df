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

    async def list_sessions(self, query: SessionQuery) -> Sequence[Session]:
        """One page of sessions, see `SessionQuery`."""

    async def count_sessions(self) -> Mapping[tuple[str, str, bool], int]:
        """The number of sessions by (platform, status, enabled)."""

    async def update_session(self, id: str, change: SessionChange, *, now: float) -> Session:
        """Write the operator's columns. Raises NotFound."""

    async def delete_session(self, id: str) -> bool:
        """Delete the row with its history, outbound messages and own webhooks (and their deliveries). The session's
        events stay in the log until they are pruned. False when it did not exist. A running owner finds out by
        `LeaseLost`. A session with much of that is disabled first and deleted in pieces: a call that fails or is cancelled
        has deleted a part, and another one deletes the rest."""

    async def history(self, id: str) -> Sequence[Transition]:
        """The last `HISTORY_LENGTH` status changes, newest first. Raises NotFound."""

    async def claim(
        self, owner: str, *, limit: int, now: float, ttl: float, only: Collection[str] | None = None
    ) -> Sequence[Session]:
        """Claim up to `limit` wanted sessions that have no owner, in one statement: set owner and expiry, `fence` + 1.

        `only` restricts the claim to these ids. Expired leases of other owners count as free. Ordered by id. A shared
        store uses its own clock instead of `now`.
        """

    async def renew(self, owner: str, leases: Collection[Lease], *, now: float, ttl: float) -> set[str]:
        """Extend the leases. Returns the sessions that are still held; the other leases are lost."""

    async def release(self, lease: Lease, *, lost: bool = False) -> None:
        """Release the lease; a stale one changes nothing and raises nothing. `lost`: the lease was not renewed in time,
        which the next claim by any owner reports (`Session.taken_from`)."""

    async def record_statuses(self, writes: Sequence[StatusWrite]) -> set[str]:
        """Write statuses in order, each with a history row when status or reason changed. Returns the ids of sessions
        whose lease was stale (those writes changed nothing). A later status of the same session in `writes` wins; all
        of them are in the history. A write that arrives after one with a greater number under the same lease changes
        nothing: its caller gave it up, but the network still delivered it."""

    async def save_credentials(self, lease: Lease, credentials: Mapping[str, str]) -> None:
        """Replace the credentials. Raises LeaseLost."""

    async def occupy(self, lease: Lease, account: str) -> str | None:
        """Record which account of its platform the session runs. If another held session runs the same account, record
        nothing and return that session's id; of concurrent calls, one gets the account. Raises LeaseLost."""
