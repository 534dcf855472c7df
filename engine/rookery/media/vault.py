"""Keeps the rows and bytes of files consistent, and both within their limits."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from functools import partial

import msgspec
import trio

from ..errors import (
    InvalidInput,
    MediaError,
    MediaTooLarge,
    NotConnected,
    NotFound,
    Rejected,
    StorageUnavailable,
    StoredElsewhere,
    StoreError,
)
from ..log import get_logger
from ..model.event import Event
from ..model.media import MediaFile, MediaOrigin, MediaState, id_of_event
from ..provider.capabilities import MediaFetching
from ..provider.contract import Link, LocalMedia
from ..runtime.shields import Shields
from ..settings import EngineSettings
from ..store.contract.media import MediaStore
from .spool import Spool, forget_spools, in_thread, open_spool
from .storage import MediaStorage

EXPIRED = 500
"""Number of expired files that are removed in one step."""

TIDY_TIMEOUT = 60.0  # seconds for one tidying pass; the next one continues
NOWHERE = ""
UNKNOWN_TYPE = "application/octet-stream"

log = get_logger("MEMORY")


class Vault:
    """Owned by the engine, which opens its storage."""

    def __init__(
        self,
        storage: MediaStorage,
        store: MediaStore,
        settings: EngineSettings,
        shields: Shields,
        clock: Callable[[], float],
    ) -> None:
        self.storage = storage
        self._store = store
        self._settings = settings
        self._shields = shields
        self._clock = clock
        self._fetching: dict[int, tuple[trio.Lock, int]] = {}  # by event: the lock and the number of callers
        self._at_once = trio.CapacityLimiter(settings.media_fetch_concurrency)

    @property
    def place(self) -> str:
        """The place of this instance's storage."""
        return self.storage.place

    async def save(
        self, file: MediaFile, fill: Callable[[Spool], Awaitable[None]], *, limit: int | None = None
    ) -> MediaFile:
        """Store what `fill` writes into the spool, then the row. If this is cancelled or fails, nothing is kept.

        Raises what `fill` raises; InvalidInput (empty), NotFound (session), MediaError, StoreError.
        """
        async with open_spool(self.storage.spools, self._settings.media_max_size if limit is None else limit) as spool:
            await fill(spool)
            if not spool.size:
                raise InvalidInput("the file is empty", field="file")
            await spool.finish()
            file = msgspec.structs.replace(
                file, state=MediaState.STORED, size=spool.size, sha256=spool.sha256, place=self.place, error=None
            )
            # Shielded, because between the two steps there are bytes without a row, which only the cleaner would
            # remove.
            with self._shields.open(self._settings.media_timeout, caller=True):
                await self.storage.keep(file.id, spool)
                try:
                    return await self._store.put_media(file)
                except NotFound:  # after any other error the row may exist, so the bytes have to stay
                    await self.storage.remove((file.id,))
                    raise
        raise StorageUnavailable(f"the file could not be stored within {self._settings.media_timeout:g} s")

    def read(self, file: MediaFile, start: int, size: int) -> AsyncGenerator[bytes]:
        """Pieces of a stored file. Raises StoredElsewhere, NotFound, MediaError."""
        self._reachable(file)
        return _told(self.storage.read(file.id, start, size), file.id)

    @asynccontextmanager
    async def local(self, id: str) -> AsyncIterator[LocalMedia]:
        """A stored file for a link. Raises Rejected when the file does not exist, NotConnected when it may become
        available."""
        try:
            file = await self._store.get_media(id)
            if file.state is not MediaState.STORED or file.size is None:
                raise Rejected(f"media: the file {id!r} is not stored")
            self._reachable(file)
            local = self.storage.local(id)
            path = await local.__aenter__()
        except (NotFound, FileNotFoundError):
            raise Rejected(f"media: the file {id!r} is gone") from None
        except StoredElsewhere as error:
            raise Rejected(f"media: {error}") from None
        except (MediaError, StoreError) as error:
            raise NotConnected(f"media: {error}") from None
        try:
            yield LocalMedia(path, file.size, file.content_type, file.filename)
        finally:
            await local.__aexit__(None, None, None)

    async def delete(self, file: MediaFile) -> bool:
        """Delete the row, then the bytes if this instance reaches them; otherwise the cleaner of an instance that does
        finds them."""
        deleted = await self._store.delete_media(file.id)
        if deleted and file.place == self.place:
            with self._shields.open(self._settings.media_timeout, caller=True):
                await self.storage.remove((file.id,))
        return deleted

    async def remove(self, ids: Sequence[str]) -> None:
        """Remove the bytes of files whose rows are deleted, if this instance reaches them; the cleaner finds what is left.
        Raises MediaError."""
        if ids and self.storage.begun:
            with self._shields.open(self._settings.media_timeout, caller=True):
                await self.storage.remove(ids)

    async def fetch(self, event: Event, link: Link | None, *, limit: int | None = None) -> MediaFile:
        """The stored file of this event, fetched through `link` if necessary. Concurrent callers wait for the same
        fetch.

        Raises NotConnected, InvalidInput, Rejected (too large, or no longer on the platform), MediaError, StoreError.
        """
        limit = self._settings.media_max_size if limit is None else limit
        async with self._alone(event.id):
            known = await self.find(id_of_event(event.id))
            if known is None or known.state is not MediaState.STORED or known.place != self.place:
                if known is None:
                    known = self.inbound(event)
                return await self._fetch(event, known, link, limit)
        if known.size is not None and known.size > limit:
            raise _too_large(known.size, limit)
        return known

    async def find(self, id: str) -> MediaFile | None:
        """Returns None when there is no such file."""
        try:
            return await self._store.get_media(id)
        except NotFound:
            return None

    def inbound(self, event: Event) -> MediaFile:
        """The facts of an event's file before it is fetched."""
        media = event.body["media"]
        size, name, kind = media.get("size"), media.get("filename"), media.get("mime_type")
        now = self._clock()
        return MediaFile(
            id=id_of_event(event.id),
            session=event.session,
            origin=MediaOrigin.INBOUND,
            state=MediaState.WAITING,
            content_type=kind if isinstance(kind, str) else UNKNOWN_TYPE,
            filename=name if isinstance(name, str) else None,
            size=size if isinstance(size, int) else None,
            event=event.id,
            created_at=now,
            expires_at=now + self._settings.media_retention,
        )

    async def _fetch(self, event: Event, file: MediaFile, link: Link | None, limit: int) -> MediaFile:
        if link is None:
            raise NotConnected(f"the session {event.session!r} is not connected")
        if not isinstance(link, MediaFetching):
            raise InvalidInput(f"files of {event.platform} cannot be fetched", field="platform")
        said = event.body["media"].get("size")
        if isinstance(said, int) and said > limit:
            raise _too_large(said, limit)
        fetching = link

        async def fill(spool: Spool) -> None:
            async with self._at_once:
                with trio.move_on_after(self._settings.media_timeout) as scope:
                    await fetching.fetch_media(event, spool)
            if scope.cancelled_caught:
                raise NotConnected(f"the file did not arrive within {self._settings.media_timeout:g} s")

        until = self._clock() + self._settings.media_retention
        file = msgspec.structs.replace(file, expires_at=until)
        try:
            return await self.save(file, fill, limit=limit)
        except MediaTooLarge:
            raise Rejected(f"the file is larger than the {limit} bytes that are allowed") from None

    @asynccontextmanager
    async def _alone(self, event: int) -> AsyncIterator[None]:
        lock, wanted = self._fetching.get(event, (trio.Lock(), 0))
        self._fetching[event] = (lock, wanted + 1)
        try:
            async with lock:
                yield
        finally:
            _, wanted = self._fetching.pop(event)
            if wanted > 1:
                self._fetching[event] = (lock, wanted - 1)

    def _reachable(self, file: MediaFile) -> None:
        if file.place != self.place:
            raise StoredElsewhere(
                f"the file {file.id!r} is in a directory of another instance: let all of them use one shared directory "
                f"or S3"
            )

    async def tidy(self) -> int:
        """Remove files past their retention, files without a row, and the leftovers of dead processes. Returns how many
        files. Bounded: the next call continues. Never raises because a storage or database is in trouble."""
        gone = 0
        with trio.move_on_after(TIDY_TIMEOUT):
            try:
                gone = await self._tidy()
            except (MediaError, StoreError, OSError) as error:
                log.warning("stored files could not be cleaned up", error=str(error))
        return gone

    async def _tidy(self) -> int:
        begun = self.storage.begun
        place, gone = self.place if begun else NOWHERE, 0
        while ids := await self._store.expire_media(place, now=self._clock(), limit=EXPIRED):
            gone += len(ids)
            if begun:
                await self.storage.remove(ids)
        if not begun:
            return gone
        age = self._settings.media_stray_age
        async with aclosing(self.storage.older_than(age)) as pages:
            async for found in pages:
                if strays := set(found) - await self._store.known_media(found, place) if found else ():
                    await self.storage.remove(strays)
                    gone += len(strays)
        before = time.time() - age  # file times follow the machine's clock
        forget = partial(forget_spools, self.storage.spools, before)
        return gone + await in_thread("temporary files cannot be removed", forget)


def _too_large(size: int, limit: int) -> Rejected:
    return Rejected(f"the file has {size} bytes, {limit} are allowed")


async def _told(pieces: AsyncGenerator[bytes], id: str) -> AsyncGenerator[bytes]:
    try:
        with _missing(id):
            async for piece in pieces:
                yield piece
    finally:
        await pieces.aclose()


@contextmanager
def _missing(id: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound("media", id) from None
