"""Files: uploaded files, files of received messages, and both in messages to be sent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing

import msgspec
import trio

from ..errors import InvalidInput, NotConnected, NotFound, StoredElsewhere
from ..media.spool import Spool
from ..media.vault import UNKNOWN_TYPE
from ..model.content import Content, media_of
from ..model.event import Event, EventQuery
from ..model.media import MediaFile, MediaOrigin, MediaQuery, MediaState, event_of_id, id_of_event
from ..runtime.identifiers import new_id
from .owners import OwnerCalls
from .validation import check_text

PART = 1024 * 1024
"""Bytes that one instance passes to another at a time."""

WAIT_MARGIN = 3600.0
"""Seconds that a file is kept after the last message that names it expires."""


class Media(msgspec.Struct, frozen=True):
    """A file with its sender's description."""

    data: bytes
    mime_type: str | None
    filename: str | None


class MediaFeatures(OwnerCalls):
    """The event log describes a file; the bytes are in the engine's storage, or still on the platform."""

    async def store_media(
        self,
        data: AsyncIterable[bytes] | bytes,
        *,
        content_type: str = UNKNOWN_TYPE,
        filename: str | None = None,
        session: str | None = None,
        limit: int | None = None,
    ) -> MediaFile:
        """Store a file so that it can be sent by its id. The file arrives in pieces and is never in memory as a whole.
        If the call is cancelled or fails, nothing is kept.

        `limit`: bytes, `settings.media_max_size` unless given. With a `session`, the file is deleted together with that
        session. Raises MediaTooLarge, InvalidInput, NotFound, StorageFull, StorageUnavailable, StoreError.
        """
        check_text(content_type, "content_type", least=1)
        if filename is not None:
            check_text(filename, "filename", least=1)
        if session is not None:
            await self._store.get_session(session)
        now = self._clock()
        file = MediaFile(
            id=new_id(),
            session=session,
            origin=MediaOrigin.UPLOADED,
            state=MediaState.STORED,
            content_type=content_type,
            filename=filename,
            created_at=now,
            expires_at=now + self.settings.media_retention,
        )

        async def fill(spool: Spool) -> None:
            if isinstance(data, bytes):
                await spool.write(data)
                return
            try:
                async for piece in data:
                    await spool.write(piece)
            finally:
                if isinstance(data, AsyncGenerator):
                    await data.aclose()

        return await self._vault.save(file, fill, limit=limit)

    async def get_media(self, id: str) -> MediaFile:
        """The facts of a file. Raises NotFound."""
        return await self._store.get_media(id)

    async def session_of_media(self, id: str) -> str | None:
        """The session that owns the file, even if the file is not fetched yet; None: no session. Raises NotFound."""
        if (file := await self._vault.find(id)) is not None:
            return file.session
        number = event_of_id(id)
        page = await self._store.read_events(EventQuery(after=number - 1, limit=1)) if number else ()
        if not page or page[0].id != number:
            raise NotFound("media", id)
        return page[0].session

    async def list_media(self, query: MediaQuery | None = None) -> Sequence[tuple[int, MediaFile]]:
        """Files with their numbers, newest first; the last number is the cursor (`before`) of the next page."""
        return await self._store.list_media(query or MediaQuery())

    async def delete_media(self, id: str) -> bool:
        """Delete a file. False when it does not exist. A message that names it and is not sent yet will fail."""
        try:
            return await self._vault.delete(await self._store.get_media(id))
        except NotFound:
            return False

    async def stored_media(self, id: str) -> MediaFile:
        """A file whose bytes can be read; the file of a received message is fetched first if necessary.

        Raises what `media_of_event` raises.
        """
        file = await self._vault.find(id)
        if file is not None and file.state is MediaState.STORED and file.place == self._vault.place:
            return file
        event = event_of_id(id)
        if event is None:
            if file is None:
                raise NotFound("media", id)
            return file
        return await self.media_of_event(event)

    async def media_of_event(self, event_id: int, *, limit: int | None = None) -> MediaFile:
        """The file of a received message. If it is not stored yet, the engine fetches it through the message's session,
        which must be connected.

        `limit`: bytes, `settings.media_max_size` unless given. Raises NotFound (no event, or no file in it),
        NotConnected, Rejected, OutcomeUnknown, OwnerUnavailable, MediaError, StoreError.
        """
        event = await self._event_with_file(event_id)
        known = await self._vault.find(id_of_event(event_id))
        if known is not None and known.state is MediaState.STORED and known.place == self._vault.place:
            return await self._vault.fetch(event, None, limit=limit)
        try:
            return await self._where_it_runs(
                event.session,
                self._media_here,
                MediaFile,
                seconds=self.settings.media_timeout,
                event_id=event_id,
                limit=limit,
            )
        except NotFound:
            raise NotConnected(f"the session {event.session!r} was deleted") from None
        except NotConnected:
            if known is not None and known.state is MediaState.STORED:
                self._vault.read(known, 0, 0)  # raises an error that says where the file is
            raise

    def read_media(self, file: MediaFile, *, start: int = 0, size: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes of a stored file, or `size` of them from `start`, in pieces. Close it (`contextlib.aclosing`).

        If another instance stores a received file, the bytes come from there. Raises NotFound, MediaError.
        """
        size = max(0, (file.size or 0) - start) if size is None else size
        if file.place != self._vault.place and file.event is not None and file.session is not None:
            return self._parts(file, file.session, start, size)
        return self._vault.read(file, start, size)

    async def fetch_media(self, event_id: int, *, limit: int = 32 * 1024 * 1024) -> Media:
        """`media_of_event` with the bytes, for files that fit into memory. Raises the same errors."""
        file = await self.media_of_event(event_id, limit=limit)
        data = bytearray()
        async with aclosing(self.read_media(file)) as pieces:
            async for piece in pieces:
                data += piece
        return Media(bytes(data), file.content_type if file.content_type != UNKNOWN_TYPE else None, file.filename)

    async def _check_media(self, content: Content, until: float) -> None:
        """Check that the files that a message names exist and keep them until then.

        Raises NotFound, InvalidInput, and the errors of fetching a file.
        """
        for id in media_of(content):
            file = await self.stored_media(id)
            if file.state is not MediaState.STORED or not await self._store.extend_media(file.id, until + WAIT_MARGIN):
                raise InvalidInput(f"media: the file {id!r} is not stored", field="media")

    async def _parts(self, file: MediaFile, session: str, start: int, size: int) -> AsyncGenerator[bytes]:
        while size > 0:
            part = await self._where_it_runs(
                session, self._media_part_here, bytes, file_id=file.id, start=start, size=min(PART, size)
            )
            if not part:
                raise NotFound("media", file.id)
            start, size = start + len(part), size - len(part)
            yield part

    async def _event_with_file(self, event_id: int) -> Event:
        page = await self._store.read_events(EventQuery(after=event_id - 1, limit=1))
        if not page or page[0].id != event_id:
            raise NotFound("event", str(event_id))
        event = page[0]
        if not isinstance(event.body.get("media"), dict):
            raise NotFound("media", f"event-{event_id}")
        return event

    async def _media_here(self, id: str, event_id: int, limit: int | None) -> MediaFile:
        event = await self._event_with_file(event_id)
        runner = self._supervisor.running.get(id)
        return await self._vault.fetch(event, runner.link if runner is not None else None, limit=limit)

    async def _media_part_here(self, id: str, file_id: str, start: int, size: int) -> bytes:
        file = await self._store.get_media(file_id)
        if file.session != id:
            raise StoredElsewhere(f"the file {file_id!r} does not belong to this session")
        data = bytearray()
        async with aclosing(self._vault.read(file, start, size)) as pieces:
            async for piece in pieces:
                data += piece
        await trio.lowlevel.checkpoint()
        return bytes(data)
