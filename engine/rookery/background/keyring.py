"""Recognises callers by their keys, and records lazily when a key was used and for what.

Neither record is worth a transaction per request: both wait in memory for `FLUSH_INTERVAL` and are written together. A
crash loses the waiting records; a shutdown writes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from ..errors import InvalidInput, StoreError
from ..log import get_logger
from ..model.key import PREFIX, ApiKey, AuditEntry, digest_of
from ..runtime.shields import Shields
from ..store.contract.keys import KeyStore

FLUSH_INTERVAL = 1.0  # seconds
CACHE_SECONDS = 2.0
"""Maximum time for which another instance may still accept a key that was revoked here."""

CACHE_SIZE = 10_000
PENDING_MAX = 10_000
"""Maximum number of audit entries held while the store does not answer. Beyond it the oldest are dropped, which is
logged."""

BATCH = 500
LAST_FLUSH_SECONDS = 1.0
LONGEST_SECRET = 256

log = get_logger("API")


class _Watch:
    """A key that a long-lived connection depends on."""

    def __init__(self, key: ApiKey) -> None:
        self.key = key
        self.waiting = 0
        self.gone = trio.Event()


class Keyring:
    """Owned by the engine."""

    def __init__(self, store: KeyStore, clock: Callable[[], float], shields: Shields) -> None:
        self._store = store
        self._clock = clock
        self._shields = shields
        self._cache: dict[str, tuple[float, ApiKey]] = {}  # by digest: trusted until, in trio's time
        self._used: dict[str, float] = {}
        self._pending: deque[AuditEntry] = deque()
        self._dropped = 0
        self._flushing = trio.Lock()
        self._watched: dict[str, _Watch] = {}
        self._work = trio.Event()  # a record waits, or a key is watched

    async def authenticate(self, secret: str) -> ApiKey | None:
        """Returns the key that this secret belongs to; None when there is no such key or it has expired. Raises
        StoreError."""
        if not secret.startswith(PREFIX) or len(secret) > LONGEST_SECRET:
            return None
        digest = digest_of(secret)
        trusted_until, key = self._cache.get(digest, (0.0, None))
        if key is None or trio.current_time() >= trusted_until:
            self._cache.pop(digest, None)
            key = await self._store.find_key(digest)
            if key is None:
                return None
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[digest] = (trio.current_time() + CACHE_SECONDS, key)
        now = self._clock()
        if key.expired(now):
            return None
        self._used[key.id] = now
        self._work.set()
        return key

    def forget(self, id: str) -> None:
        """A key was revoked: stop accepting it here."""
        self._cache = {digest: entry for digest, entry in self._cache.items() if entry[1].id != id}
        self._used.pop(id, None)
        if watch := self._watched.get(id):
            watch.gone.set()

    async def gone(self, key: ApiKey) -> None:
        """Return when this key is no longer valid: revoked here, or found within `FLUSH_INTERVAL` to be expired or
        revoked by another instance."""
        watch = self._watched.setdefault(key.id, _Watch(key))
        watch.waiting += 1
        self._work.set()
        try:
            await watch.gone.wait()
        finally:
            watch.waiting -= 1
            if not watch.waiting:
                self._watched.pop(key.id, None)

    def record(self, entry: AuditEntry) -> None:
        """Keep an entry until it is written. Never blocks."""
        if len(self._pending) >= PENDING_MAX:
            self._pending.popleft()
            self._dropped += 1
        self._pending.append(entry)
        self._work.set()

    async def flush(self) -> None:
        """Write the waiting records. Raises StoreError; then they keep waiting."""
        async with self._flushing:
            while self._pending:
                batch = [self._pending[number] for number in range(min(BATCH, len(self._pending)))]
                await self._append(batch)
                for _ in batch:
                    self._pending.popleft()
            if self._used:
                used, self._used = self._used, {}
                try:
                    await self._store.touch_keys(used)
                except BaseException:
                    self._used = used | self._used
                    raise

    async def _append(self, batch: Sequence[AuditEntry]) -> None:
        """Drops the entries that cannot be stored; the others are written."""
        try:
            await self._store.append_audit(batch)
        except InvalidInput as error:
            if len(batch) == 1:
                log.error("an audit entry cannot be stored", call=batch[0].call, error=str(error))
                return
            for entry in batch:
                await self._append((entry,))

    async def run(self) -> None:
        """Run until cancelled, then write the waiting records."""
        try:
            while True:
                if not (self._pending or self._used or self._watched):
                    self._work = trio.Event()
                    await self._work.wait()
                await trio.sleep(FLUSH_INTERVAL)
                await self._try_flush()
                with suppress(StoreError):  # callers that were let in stay in until the store says otherwise
                    await self._look_after_watched()
        finally:
            with self._shields.open(LAST_FLUSH_SECONDS):
                await self._try_flush()

    async def _look_after_watched(self) -> None:
        if not self._watched:
            return
        remaining = await self._store.remaining_keys(list(self._watched))
        now = self._clock()
        for id, watch in list(self._watched.items()):
            if id not in remaining or watch.key.expired(now):
                self.forget(id)

    async def _try_flush(self) -> None:
        if self._dropped:
            log.warning("audit entries were dropped: the store did not accept them", entries=self._dropped)
            self._dropped = 0
        try:
            await self.flush()
        except StoreError as error:
            log.warning("the audit log cannot be written now", error=str(error))
