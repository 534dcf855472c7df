"""API keys and the audit log."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence

from ..assembly import EngineParts
from ..errors import InvalidInput, NotFound
from ..model.key import ApiKey, AuditEntry, AuditQuery, Scope, digest_of, new_secret
from .validation import check_id, check_text

MAX_SESSIONS = 1000
MAX_RATE = 1_000_000.0
LONGEST_LIFE = 100 * 366 * 86_400.0


class KeyFeatures(EngineParts):
    """The engine knows the keys and their limits; a server that exposes an API asks it and enforces them."""

    async def create_key(
        self,
        *,
        name: str = "",
        scopes: Sequence[str],
        sessions: Sequence[str] | None = None,
        rate: float | None = None,
        expires_in: float | None = None,
        id: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key for these sessions (None: all) and store its digest. The second value is the secret, which is
        returned only here.

        `rate`: requests per second. `expires_in`: seconds. The sessions need not exist yet. An admin key is never bound
        to sessions. Raises InvalidInput, AlreadyExists.
        """
        now = self._clock()
        if rate is not None and not 0 < rate <= MAX_RATE:
            raise InvalidInput("rate: requests a second, more than 0", field="rate")
        if expires_in is not None and not (math.isfinite(expires_in) and 0 < expires_in <= LONGEST_LIFE):
            raise InvalidInput("expires_in: seconds, more than 0 and at most 100 years", field="expires_in")
        secret = new_secret()
        key = ApiKey(
            id=check_id(id) if id is not None else f"key-{secrets.token_hex(6)}",
            name=check_text(name, "name"),
            digest=digest_of(secret),
            scopes=_check_scopes(scopes),
            sessions=_check_sessions(sessions),
            rate=rate,
            expires_at=now + expires_in if expires_in is not None else None,
            created_at=now,
        )
        if key.sessions is not None and Scope.ADMIN in key.scopes:
            raise InvalidInput(
                "scopes: an admin key covers every session and cannot be limited to some", field="scopes"
            )
        return await self._store.create_key(key), secret

    async def authenticate(self, secret: str) -> ApiKey | None:
        """The key that this secret belongs to; None for a wrong, revoked or expired secret. Raises StoreError."""
        return await self._keyring.authenticate(secret)

    async def wait_key_gone(self, key: ApiKey) -> None:
        """Return when a key is revoked or expires: everything opened with it must end."""
        await self._keyring.gone(key)

    async def get_key(self, id: str) -> ApiKey:
        """Raises NotFound."""
        return await self._store.get_key(id)

    async def list_keys(self, *, after: str | None = None, limit: int = 100) -> Sequence[ApiKey]:
        """Ordered by id; the last key's id is the cursor of the next page."""
        return await self._store.list_keys(after=after, limit=limit)

    async def revoke_key(self, id: str) -> None:
        """Revoke a key: here at once, on other instances within seconds. Raises NotFound."""
        if not await self._store.delete_key(id):
            raise NotFound("key", id)
        self._keyring.forget(id)

    def audit(
        self,
        *,
        key: str,
        call: str,
        session: str | None,
        target: str | None,
        outcome: int,
        client: str | None = None,
    ) -> None:
        """Record that a caller at the address `client` did something; the entry is stored about a second later."""
        entry = AuditEntry(
            at=self._clock(), key=key, call=call, session=session, target=target, outcome=outcome, client=client
        )
        self._keyring.record(entry)

    async def read_audit(self, query: AuditQuery | None = None) -> Sequence[AuditEntry]:
        """Newest first; the last entry's id is the cursor (`before`) of the next page."""
        await self._keyring.flush()
        return await self._store.read_audit(query or AuditQuery())


def _check_scopes(value: Sequence[str]) -> tuple[Scope, ...]:
    try:
        scopes = {Scope(item) for item in value}
    except ValueError:
        scopes = set()
    if not scopes or isinstance(value, str):
        raise InvalidInput(f"scopes: one or more of {', '.join(Scope)} are needed", field="scopes")
    return tuple(scope for scope in Scope if scope in scopes)


def _check_sessions(value: Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str) or not 1 <= len(value) <= MAX_SESSIONS:
        raise InvalidInput(f"sessions: 1 to {MAX_SESSIONS} ids, or none for every session", field="sessions")
    return tuple(sorted({check_id(item, "sessions") for item in value}))
