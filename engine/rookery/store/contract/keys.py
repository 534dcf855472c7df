"""API keys and the audit log in a store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from ...model.key import ApiKey, AuditEntry, AuditQuery


class KeyStore(Protocol):
    """Keys and the audit log. Part of every store, under the promises in `store.contract`."""

    async def create_key(self, key: ApiKey) -> ApiKey:
        """Raises AlreadyExists."""

    async def get_key(self, id: str) -> ApiKey:
        """Raises NotFound."""

    async def find_key(self, digest: str) -> ApiKey | None:
        """The key with this digest, whether expired or not."""

    async def remaining_keys(self, ids: Collection[str]) -> Collection[str]:
        """The given ids that still belong to a key."""

    async def list_keys(self, *, after: str | None, limit: int) -> Sequence[ApiKey]:
        """Ordered by id; `after` is exclusive."""

    async def delete_key(self, id: str) -> bool:
        """Delete a key; False when it did not exist. Its entries stay in the audit log."""

    async def touch_keys(self, used: Mapping[str, float]) -> None:
        """Record when keys were last used; an earlier time never replaces a later one. Ids that no longer exist are
        skipped."""

    async def append_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Add entries; their ids are ignored."""

    async def read_audit(self, query: AuditQuery) -> Sequence[AuditEntry]:
        """One page of the audit log, see `AuditQuery`."""

    async def prune_audit(self, *, before: float, keep: int, limit: int = 1000) -> int:
        """Delete entries older than `before`, and all but the newest `keep`; at most `limit` of them. Returns how many:
        less than `limit` when nothing is left to delete."""
