"""Files of received messages, fetched when somebody asks."""

from __future__ import annotations

import msgspec

from ..errors import InvalidInput, NotConnected, NotFound, Rejected
from ..parts import EngineParts
from ..provider import MediaFetching
from ..store import EventQuery


class Media(msgspec.Struct, frozen=True):
    """A file with what its sender said about it."""

    data: bytes
    mime_type: str | None
    filename: str | None


class MediaFeatures(EngineParts):
    """The event log holds what describes a file, not the file."""

    async def fetch_media(self, event_id: int, *, limit: int = 32 * 1024 * 1024) -> Media:
        """Download the file of a stored message through its session, which has to be connected here.

        `limit`: bytes; a file that says it is larger is not fetched. Raises NotFound, InvalidInput, NotConnected, Rejected,
        OutcomeUnknown.
        """
        page = await self._store.read_events(EventQuery(after=event_id - 1, limit=1))
        if not page or page[0].id != event_id:
            raise NotFound("event", str(event_id))
        event = page[0]
        media = event.body.get("media")
        if not isinstance(media, dict):
            raise InvalidInput("this event has no file", field="event")
        runner = self._supervisor.running.get(event.session)
        link = runner.link if runner is not None else None
        if link is None:
            raise NotConnected(f"the session {event.session!r} is not connected here")
        if not isinstance(link, MediaFetching):
            raise InvalidInput(f"files of {event.platform} cannot be fetched", field="platform")
        size = media.get("size")
        if isinstance(size, int) and size > limit:
            raise Rejected(f"the file has {size} bytes, {limit} are allowed")
        data = await link.fetch_media(event)
        if len(data) > limit:
            raise Rejected(f"the file has {len(data)} bytes, {limit} are allowed")
        return Media(data, media.get("mime_type"), media.get("filename"))
