"""Files of received messages, fetched when somebody asks."""

from __future__ import annotations

import msgspec

from ..errors import InvalidInput, NotConnected, NotFound, Rejected
from ..model import Event
from ..provider import MediaFetching
from ..store import EventQuery
from .owners import OwnerCalls

FETCH_TIMEOUT = 60.0
"""Seconds for another instance to fetch a file and hand it over."""


class Media(msgspec.Struct, frozen=True):
    """A file with what its sender said about it."""

    data: bytes
    mime_type: str | None
    filename: str | None


class MediaFeatures(OwnerCalls):
    """The event log holds what describes a file, not the file."""

    async def fetch_media(self, event_id: int, *, limit: int = 32 * 1024 * 1024) -> Media:
        """Download the file of a stored message through its session, which has to be connected.

        `limit`: bytes; a file that says it is larger is not fetched. Raises NotFound, InvalidInput, NotConnected, Rejected,
        OutcomeUnknown, OwnerUnavailable.
        """
        event = await self._event_with_file(event_id)
        try:
            return await self._where_it_runs(
                event.session, self._media_here, Media, seconds=FETCH_TIMEOUT, event_id=event_id, limit=limit
            )
        except NotFound:
            raise NotConnected(f"the session {event.session!r} was deleted") from None

    async def _event_with_file(self, event_id: int) -> Event:
        page = await self._store.read_events(EventQuery(after=event_id - 1, limit=1))
        if not page or page[0].id != event_id:
            raise NotFound("event", str(event_id))
        event = page[0]
        if not isinstance(event.body.get("media"), dict):
            raise InvalidInput("this event has no file", field="event")
        return event

    async def _media_here(self, id: str, event_id: int, limit: int) -> Media:
        event = await self._event_with_file(event_id)
        media = event.body["media"]
        runner = self._supervisor.running.get(id)
        link = runner.link if runner is not None else None
        if link is None:
            raise NotConnected(f"the session {id!r} is not connected")
        if not isinstance(link, MediaFetching):
            raise InvalidInput(f"files of {event.platform} cannot be fetched", field="platform")
        size = media.get("size")
        if isinstance(size, int) and size > limit:
            raise Rejected(f"the file has {size} bytes, {limit} are allowed")
        data = await link.fetch_media(event)
        if len(data) > limit:
            raise Rejected(f"the file has {len(data)} bytes, {limit} are allowed")
        return Media(data, media.get("mime_type"), media.get("filename"))
