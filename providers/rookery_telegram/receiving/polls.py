"""The polls of one bot: each answer is stored before the next request confirms it. One task runs at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, NoReturn

import msgspec
import trio

from rookery.errors import Failure, NotConnected, ProviderError
from rookery.log import get_logger
from rookery.provider.contract import Inbox

from ..bot_api.api import BotApi
from ..bot_api.conflict import Conflicts
from ..bot_api.errors import ApiError, NoAnswer
from ..bot_api.session_errors import poll_error
from .albums import Album, is_full, is_ripe, to_event
from .halt import Halt
from .moments import SharedMoments
from .position import Position
from .updates import read_updates

POLL_MARGIN = 10.0
"""Seconds that an answer may still take after the poll's own timeout."""

SECOND_TRY_DELAY = {Failure.NETWORK: 0.0, Failure.SERVER: 1.0}
"""Seconds before a failed poll is quietly repeated once: proxies cut idle connections all the time."""

SPIN_DELAY = 0.5
"""Seconds to pause after a poll that the server answered at once with an empty list."""

FULL_BATCH = 100
"""Maximum number of updates in one answer: after a full one, more may wait at the server."""

CONFIRM_SECONDS = 1.5

REST_SECONDS = 30.0
"""Seconds for fetching the updates that wait at a server before leaving it."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_ALONE = nullcontext()

log = get_logger("SESSION")


class Polls:
    """Receives a bot's updates. The link owns it, and runs and closes it.

    Args:
        bot: the id of the bot to which the position belongs.
        poll_timeout: maximum seconds of one long poll.
        moments: at which idle bots poll together; None polls at once.
        takeover: insist on the bot when another program polls it, too (see `bot_api.conflict`).
        album_pause: seconds without another part after which an album is complete; None gathers no albums.
    """

    def __init__(
        self,
        session: str,
        bot: str,
        api: BotApi,
        inbox: Inbox,
        *,
        poll_timeout: int,
        allowed_updates: tuple[str, ...],
        takeover: bool,
        album_pause: float | None,
        moments: SharedMoments | None = None,
    ) -> None:
        self._session = session
        self._api = api
        self._inbox = inbox
        self._takeover = takeover
        self._allowed_updates = allowed_updates
        self._poll_timeout = poll_timeout
        self._moments = moments
        self._position = Position.load(inbox.cursor, bot)
        self._idle = not self._position.albums  # the last poll ended without updates, or there was none
        self._sent_offset = self._position.offset  # the offset that was last sent to the server
        self._conflicts = Conflicts()
        self._asked_at: float | None = None  # when the poll under way began
        self.answered_at = -float("inf")  # trio time of the last answer that was not an error; the link sets the first
        self._album_pause = album_pause
        self._storing: AbstractAsyncContextManager[object] = _ALONE  # a lock where albums move the cursor, too
        self._album_news: trio.Event | None = None  # parts were stored, or the server had no more of them
        self._behind = True  # updates may wait at the server: it has not answered yet, failed, or gave a full batch
        self._waits = False  # a poll is under way that the server answers as soon as it has an update
        self._complete: tuple[Album, ...] = ()  # the server had no more parts of these when their pause was over
        self._polling = trio.CancelScope()  # of the poll under way
        self._halt: Halt | None = None
        self._ended = False

    def run(self) -> Coroutine[Any, Any, NoReturn]:
        """Poll until cancelled. Raises ProviderError, when awaited."""
        gathers = self._album_pause is not None or self._position.albums
        return self._poll_and_gather_albums() if gathers else self._poll_for_ever()

    async def _poll_and_gather_albums(self) -> NoReturn:
        self._storing = trio.Lock()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather_albums)
            await self._poll_for_ever()

    async def _poll_for_ever(self) -> NoReturn:
        failed: Failure | None = None
        while True:
            seconds = self._poll_timeout
            if self._idle and self._moments is not None and self._moments.apply(seconds):
                seconds = await self._moments.next(seconds)
            if self._halt is not None:
                failed = None
                await self._halt.make_way()
                continue
            if self._ended:
                await trio.sleep_forever()  # the engine closes this link
            try:
                spun = await self._poll(seconds)
                failed = None
            except ProviderError as error:
                if self._halt is not None:
                    continue
                # Only an error that comes twice in a row is worth a visible reconnect.
                if error.kind not in SECOND_TRY_DELAY or failed is not None:
                    raise
                failed = error.kind
                log.debug("a poll failed and is repeated", session=self._session, error=str(error))
                await trio.sleep(SECOND_TRY_DELAY[error.kind])
                continue
            if spun:
                await trio.sleep(SPIN_DELAY)

    async def confirm(self) -> None:
        """Confirm the updates stored since the last poll, if any, unless the lease has run out. Bounded and shielded; never
        raises when the server does not answer: it delivers them again, and the engine recognises them."""
        if self._conflicts.lost or self._position.offset == self._sent_offset:
            return
        if trio.current_time() >= self._inbox.trusted_until:  # another instance may be polling by now
            return
        # `timeout=0` does not end another program's poll, and the server answers a new offset at once.
        params = {"offset": self._position.offset, "timeout": 0, "limit": 1}
        with trio.move_on_after(CONFIRM_SECONDS, shield=True):
            try:
                await self._api.ask("getUpdates", params, seconds=CONFIRM_SECONDS)
                self._sent_offset = self._position.offset
            except (ApiError, NoAnswer) as error:
                log.debug("the offset was not confirmed", session=self._session, error=str(error))

    def fault(self) -> str | None:
        """A poll that is overdue is dead, whatever the state of its socket."""
        if self._asked_at is None:  # the last poll's updates are being stored, which may take a while
            return None
        age = trio.current_time() - self._asked_at
        allowed = self._poll_timeout + 2 * POLL_MARGIN
        return (
            f"no answer to a poll for {age:.0f} s; {allowed:.0f} s are the most it can take" if age > allowed else None
        )

    @asynccontextmanager
    async def halted(self) -> AsyncIterator[None]:
        """Stop polling for the block, after storing every update that waits at the server. Polling resumes afterwards, unless
        the block calls `end`. Raises NotConnected."""
        if self._halt is not None or self._ended:
            raise NotConnected("the session is already leaving its server")
        halt = self._halt = Halt()
        self._behind = True
        try:
            self._polling.cancel()
            with trio.move_on_after(REST_SECONDS) as waiting:
                await halt.polls_ended.wait()
            if waiting.cancelled_caught:
                raise NotConnected("the poll under way did not end in time")
            await self._fetch_the_rest()
            yield
        finally:
            self._halt = None
            halt.over.set()

    def end(self) -> None:
        """Never poll again: the bot has left the server. Call it inside `halted`."""
        self._ended = True

    async def _fetch_the_rest(self) -> None:
        """Store every update that waits at the server. Raises NotConnected."""
        try:
            with trio.fail_after(REST_SECONDS):
                before = -1
                while before != self._position.offset:
                    before = self._position.offset
                    await self._poll(at_once=True)
        except (ProviderError, trio.TooSlowError) as error:
            raise NotConnected(f"the waiting updates cannot be fetched: {str(error) or 'no answer in time'}") from None

    async def _poll(self, seconds: int | None = None, *, at_once: bool = False) -> bool:
        """One getUpdates call and its commit. True when the answer came at once and was empty. `seconds`: how long to wait
        for updates, if not as usual; `at_once`: do not wait."""
        position = self._position
        started = trio.current_time()
        polling = self._polling = trio.CancelScope()
        overdue = self._overdue()
        open_ended = any(album not in self._complete and not is_full(album) for album in overdue)
        at_once = at_once or open_ended or (self._behind and bool(position.albums))
        self._asked_at = started
        self._waits = not at_once
        self._idle = False
        try:
            answer = await self._api.exchange(
                "getUpdates",
                self._params_of(0 if at_once else seconds or self._poll_timeout),
                seconds=self._poll_timeout + POLL_MARGIN,
                repeat=False,  # `run` repeats it, for more kinds of errors
                on_sent=self._confirmed,
                scope=polling,
            )
            events, ids = read_updates(answer, epoch=position.epoch, now=self._inbox.now)
        except (ApiError, NoAnswer) as error:
            self._behind = True
            return await self._refuse(error)
        except UNREADABLE:
            self._behind = True
            raise ProviderError("getUpdates returned no list of updates", kind=Failure.SERVER) from None
        finally:
            self._waits = False
        self._asked_at = None
        self.answered_at = answered_at = trio.current_time()
        self._inbox.beat(answered_at - started)
        self._conflicts.webhook_deleted = False
        self._behind = len(ids) >= FULL_BATCH
        if not events:
            self._idle = not (at_once or position.albums)
            self._note_complete(overdue)
            return not at_once and answered_at - started < SPIN_DELAY
        now = self._inbox.now()
        epoch = position.epoch_of(ids, now)
        if epoch != position.epoch:
            events, ids = read_updates(answer, epoch=epoch, now=self._inbox.now)
        async with self._storing:
            after = self._position.after(ids, epoch, now)
            if self._album_pause is not None:
                after = after.with_parts(events, now=now, pause=self._album_pause)
            await self._inbox.commit(events, after.dump())
            self._position = after
        self._note_complete(overdue)
        return not ids

    def _params_of(self, timeout: int) -> dict[str, Any]:
        offset = {"offset": self._position.offset} if self._position.offset else {}
        return {"timeout": timeout, "allowed_updates": self._allowed_updates, **offset}

    def _overdue(self) -> Sequence[Album]:
        """The albums whose pause is over."""
        if not self._position.albums:
            return ()
        now, pause = self._inbox.now(), self._album_pause or 0.0
        return [album for album in self._position.albums if is_ripe(album, now=now, pause=pause)]

    def _note_complete(self, overdue: Sequence[Album]) -> None:
        """Note that a poll which began when these albums were overdue is answered. One that got a part is another one."""
        self._complete = () if self._behind else tuple(overdue)
        if self._album_news is not None:
            self._album_news.set()

    async def _gather_albums(self) -> None:
        """Store the event of each album once its parts are complete, including albums that an earlier link left behind.

        A pause during which the server could not deliver (the process was dead, the network away, a commit slow) proves
        nothing: parts may wait there. So an album also needs a poll that waits, or that asked after the pause."""
        while True:
            news = self._album_news = trio.Event()
            async with self._storing:
                overdue = self._overdue()
                ripe = [album for album in overdue if self._waits or is_full(album) or album in self._complete]
                if ripe:
                    after = self._position.without(ripe)
                    await self._inbox.commit([to_event(album) for album in ripe], after.dump())
                    self._position = after
            now = self._inbox.now()
            pauses = (album.due - now for album in self._position.albums if album not in overdue)
            with trio.move_on_after(max(0.0, min(pauses, default=float("inf")))):
                await news.wait()

    def _confirmed(self) -> None:
        """Note that the request has confirmed the offset, whether or not an answer comes."""
        self._sent_offset = self._position.offset

    async def _refuse(self, error: ApiError | NoAnswer) -> bool:
        """Raise the session's error for a failed poll, unless only a leftover webhook was in its way: delete that and
        return False."""
        if self._conflicts.calls_for_deletion(error):
            try:
                await self._api.ask("deleteWebhook")
            except (ApiError, NoAnswer) as second:
                raise poll_error(second, opening=False, takeover=self._takeover) from None
            return False
        failure = poll_error(error, opening=False, takeover=self._takeover)
        self._conflicts.note(failure)
        raise failure
