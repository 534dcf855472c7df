"""Fetches received files automatically, if the settings ask for it.

Events never wait for a fetch. One instance at a time (a duty) reads the event log behind a durable cursor and plans: it
adds a row for each wanted file. The instance that runs the session fetches the files that are due and reports the
result in the event log as `media.stored` or `media.failed`. Every step can be repeated after a crash without doing
anything twice.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import trio

from ..errors import (
    InvalidInput,
    LeaseLost,
    MediaError,
    MediaExpired,
    NotFound,
    Rejected,
    RookeryError,
    StoreError,
    printable,
)
from ..log import get_logger
from ..media.vault import Vault
from ..model.event import Event, EventQuery, NewEvent
from ..model.media import MediaFile, MediaState
from ..services import Services
from ..session.runner import SessionRunner

STORED_EVENT = "media.stored"
FAILED_EVENT = "media.failed"
EVENT_EPOCH = -2
"""Keeps the keys of these events apart from those of a platform."""

DUTY = "media"
PAGE = 500  # events read at a time
LOOK_INTERVAL = 2.0
"""Seconds between checks for files that are due again, and for files that other instances planned."""

RETRY_DELAY = 5.0  # seconds, tripled after each failure
RETRY_DELAY_MAX = 3600.0

KINDS = {"photo": "image", "animation": "video", "video_note": "video"}
"""Kinds that only one platform has, mapped to the kind that the setting names."""

NAMES = ("image", "video", "audio", "voice", "document", "sticker")

log = get_logger("SESSION")


def kinds_of(text: str | None) -> frozenset[str]:
    """Returns the kinds that `media_fetch` names. Raises InvalidInput."""
    names = frozenset(name.strip() for name in text.split(",")) if text else frozenset()
    if names == {"all"}:
        return frozenset(NAMES)
    if wrong := names - set(NAMES):
        raise InvalidInput(
            f"media_fetch: {min(wrong)!r} is not a kind of file; use all, or some of {', '.join(NAMES)}",
            field="media_fetch",
        )
    return names


class MediaFetcher:
    """Owned by the engine. `running` is the supervisor's own dictionary."""

    def __init__(self, instance: str, running: Mapping[str, SessionRunner], vault: Vault, services: Services) -> None:
        self._instance = instance
        self._running = running
        self._vault = vault
        self._store = services.store
        self._settings = services.settings
        self._shields = services.shields
        self._signals = services.signals
        self._telemetry = services.telemetry
        self._clock = services.clock
        self._kinds = kinds_of(services.settings.media_fetch)
        self._busy: set[str] = set()
        self._done = trio.Event()

    async def run(self, first_event: int) -> None:
        """Run until cancelled. If nothing was ever planned, planning begins after `first_event`."""
        if not self._kinds:
            return
        async with trio.open_nursery() as nursery:
            while True:
                version = self._signals.events.version
                try:
                    await self._plan(first_event)
                    full = await self._begin(nursery)
                except StoreError as error:
                    log.warning("files to fetch cannot be looked up", error=str(error))
                    await trio.sleep(LOOK_INTERVAL)
                    continue
                with trio.move_on_after(LOOK_INTERVAL):
                    if full:
                        await self._done.wait()
                    else:
                        await self._signals.events.newer_than(version)

    async def _plan(self, first_event: int) -> None:
        """Add a row for each wanted file in the events since the last look."""
        if not await self._store.take_duties(self._instance, (DUTY,), ttl=self._settings.lease_ttl):
            return
        cursor = await self._store.media_cursor()
        if cursor is None:
            cursor = first_event
            await self._store.plan_media((), cursor)
        while page := await self._store.read_events(EventQuery(after=cursor, limit=PAGE)):
            cursor = page[-1].id
            await self._store.plan_media([self._planned(event) for event in page if self._wanted(event)], cursor)

    def _wanted(self, event: Event) -> bool:
        media = event.body.get("media")
        if not isinstance(media, dict) or event.type in (STORED_EVENT, FAILED_EVENT):
            return False
        kind, size = event.body.get("kind"), media.get("size")
        fits = not isinstance(size, int) or size <= self._settings.media_fetch_max_size
        return fits and isinstance(kind, str) and KINDS.get(kind, kind) in self._kinds

    def _planned(self, event: Event) -> MediaFile:
        return msgspec.structs.replace(self._vault.inbound(event), due_at=self._clock())

    async def _begin(self, nursery: trio.Nursery) -> bool:
        """Start the files that are due, up to the concurrency limit. True when more may be due."""
        self._done = trio.Event()
        places = self._settings.media_fetch_concurrency
        here = [id for id, runner in self._running.items() if runner.link is not None and not runner.stopping]
        if not here:
            return False
        limit = places + len(self._busy)
        due = await self._store.due_media(here, now=self._clock(), limit=limit)
        for file in due:
            if len(self._busy) < places and file.id not in self._busy:
                self._busy.add(file.id)
                nursery.start_soon(self._care, file)
        return bool(self._busy) and len(due) == limit

    async def _care(self, file: MediaFile) -> None:
        """Handle one file. The result is written into its row, or the row says that the file is still due."""
        try:
            runner = self._running.get(file.session or "")
            if runner is None:
                return
            if file.state is MediaState.WAITING:
                file = await self._try(file, runner)
            if file.state is not MediaState.WAITING:
                await self._tell(file, runner)
        except (StoreError, NotFound) as error:  # the database is unavailable, or the session moved or was deleted
            log.warning("the outcome of a fetch could not be stored", media=file.id, error=str(error))
            await trio.sleep(LOOK_INTERVAL)
        finally:
            self._busy.discard(file.id)
            self._done.set()

    async def _try(self, file: MediaFile, runner: SessionRunner) -> MediaFile:
        assert file.event is not None
        page = await self._store.read_events(EventQuery(after=file.event - 1, limit=1))
        if not page or page[0].id != file.event:
            return await self._failed(file, "its event was removed from the log", final=True)
        try:
            # The row keeps its `due_at` until the result is in the event log.
            return await self._vault.fetch(page[0], runner.link, limit=self._settings.media_fetch_max_size)
        except (Rejected, InvalidInput, MediaExpired) as error:
            return await self._failed(file, str(error), final=True)
        except StoreError:
            raise
        except (MediaError, RookeryError) as error:
            return await self._failed(file, str(error), final=file.attempts + 1 >= self._settings.media_fetch_attempts)
        except Exception:
            log.exception("a file could not be fetched for an unexpected reason", session=file.session, media=file.id)
            return await self._failed(file, "internal error", final=True)

    async def _failed(self, file: MediaFile, error: str, *, final: bool) -> MediaFile:
        delay = min(RETRY_DELAY * 3**file.attempts, RETRY_DELAY_MAX)
        return await self._store.put_media(
            msgspec.structs.replace(
                file,
                state=MediaState.FAILED if final else MediaState.WAITING,
                attempts=file.attempts + 1,
                error=printable(error),
                due_at=self._clock() + (0.0 if final else delay),
            )
        )

    async def _tell(self, file: MediaFile, runner: SessionRunner) -> None:
        """Store the event first: it is stored only once, whatever happens before the row is updated."""
        stored = file.state is MediaState.STORED
        kind = STORED_EVENT if stored else FAILED_EVENT
        event = await self._event(file.event or 0)
        body = {
            "event": file.event,
            "message_id": event.body.get("message_id") if event is not None else None,
            "file": {
                "id": file.id,
                "mime_type": file.content_type,
                "filename": file.filename,
                "size": file.size,
                "sha256": file.sha256,
            },
            "error": file.error,
        }
        chat = event.chat if event is not None else None
        news = NewEvent(
            f"{file.id}:{file.attempts}:{file.state}",
            kind,
            self._clock(),
            chat,
            event.sender if event is not None else None,
            msgspec.json.encode(body),
            b"null",
            EVENT_EPOCH,
        )
        with self._shields.open(self._settings.store_timeout):
            try:
                await self._store.append(runner.lease, (news,), None)
            except LeaseLost:
                return  # the instance that now runs the session reports it
            self._signals.events_stored(runner.lease.session)
            await self._store.put_media(msgspec.structs.replace(file, due_at=None))
        self._telemetry.count("media_fetches", event.platform if event is not None else "", file.state.value)

    async def _event(self, id: int) -> Event | None:
        page = await self._store.read_events(EventQuery(after=id - 1, limit=1))
        return page[0] if page and page[0].id == id else None
