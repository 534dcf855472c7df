"""One connected bot: polls, sends, and leaves without losing or repeating an update."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NoReturn

import msgspec
import trio

from rookery.errors import Failure, InvalidInput, NotConnected, ProviderError, Rejected, SendRateLimited, TerminalError
from rookery.log import get_logger
from rookery.model.event import Event
from rookery.model.message import OutboundMessage, Receipt
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox
from rookery.provider.pacer import Pacer

from .bot_api.api import BotApi
from .bot_api.errors import ApiError, NoAnswer, call_error, fetch_error, poll_error, send_error
from .bot_api.local_files import read_local
from .bot_api.methods import check_method, is_message
from .bot_api.multipart import FilePart
from .position import Position
from .receiving.albums import is_ripe, to_event
from .receiving.updates import migration, to_events
from .sending.floods import Floods
from .sending.outbound import after_migration, is_unchanged, name_of, to_call, to_receipt
from .sending.request import File, MethodCall, with_files

POLL_MARGIN = 10.0
"""Seconds after the poll's own timeout that an answer may still take."""

SECOND_TRY_DELAY = {Failure.NETWORK: 0.0, Failure.SERVER: 1.0}
"""Seconds before a failed poll is quietly repeated once: proxies cut idle connections all the time."""

SPIN_DELAY = 0.5
"""Seconds of pause after a poll that the server answered at once with nothing."""

CONFIRM_SECONDS = 1.5

REST_SECONDS = 30.0
"""Seconds for fetching what waits at a server before leaving it."""

LEAVING = ("logOut", "close")
"""The methods that release a bot: from Telegram's own server, and from a local one."""

REFUSES_BOT = frozenset({401, 404, 421})
"""Error codes of a send that may mean that the server refuses the bot itself."""

log = get_logger("SESSION")


class _Me(msgspec.Struct):
    id: int
    first_name: str = ""
    username: str | None = None


class _File(msgspec.Struct):
    file_path: str | None = None
    file_size: int | None = None


_file = msgspec.json.Decoder(_File)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class TelegramLink:
    """`rookery.provider.Link` of a bot. `open` proves the token, `close` ends it; the provider owns both calls."""

    max_concurrent_sends = 100

    def __init__(
        self,
        session: str,
        bot: str,
        api: BotApi,
        inbox: Inbox,
        pacer: Pacer,
        *,
        poll_timeout: int,
        allowed_updates: tuple[str, ...],
        takeover: bool,
        local_files: bool = False,
        gather_albums: float | None = None,
    ) -> None:
        self._session = session
        self._api = api
        self._inbox = inbox
        self._pacer = pacer
        self._takeover = takeover
        self._poll_params: dict[str, Any] = {"timeout": poll_timeout, "allowed_updates": allowed_updates}
        self._poll_timeout = poll_timeout
        self._position = Position.load(inbox.cursor, bot)
        self._told = self._position.offset  # the offset that the link last sent to the server
        self._refused = False  # a conflict: this link confirms nothing any more
        self._webhook_deleted = False
        self._asked_at: float | None = None  # when the poll under way began
        self._floods = Floods()
        self._local_files = local_files
        self._album_pause = gather_albums
        self._storing = trio.Lock()  # the cursor moves for updates and for albums
        self._parts_stored = trio.Event()
        self._polling = trio.CancelScope()
        self._floor = trio.Lock()  # held by the polls, and by `leave_server` in between
        self._leaving = self._left = False
        self.account = ""

    async def open(self) -> None:
        """Clear a webhook (pending updates stay) and prove the token. Raises ProviderError."""
        try:
            await self._api.ask("deleteWebhook")
            me = msgspec.json.decode(await self._api.ask("getMe"), type=_Me)
        except (ApiError, NoAnswer) as error:
            raise poll_error(error, opening=True, takeover=self._takeover) from None
        except _UNREADABLE:
            raise ProviderError("getMe gave no bot: is the API address right?", kind=Failure.SERVER) from None
        self.account = f"@{me.username}" if me.username else me.first_name
        self._inbox.beat()

    async def run(self) -> None:
        """Poll for ever. Raises ProviderError."""
        if self._album_pause is None and not self._position.albums:
            await self._poll_for_ever()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather_albums)
            await self._poll_for_ever()

    async def _poll_for_ever(self) -> NoReturn:
        while True:
            async with self._floor:
                if self._left:
                    await trio.sleep_forever()  # the engine closes this link
                with trio.CancelScope() as self._polling:
                    if self._leaving:
                        self._polling.cancel()
                    await self._poll_again_and_again()

    async def _poll_again_and_again(self) -> NoReturn:
        failed: Failure | None = None
        while True:
            try:
                spun = await self._poll()
                failed = None
            except ProviderError as error:
                # Only an error that comes twice in a row is worth a visible reconnect.
                if error.kind not in SECOND_TRY_DELAY or failed is not None:
                    raise
                failed = error.kind
                log.debug("a poll failed and is repeated", session=self._session, error=str(error))
                await trio.sleep(SECOND_TRY_DELAY[error.kind])
                continue
            if spun:
                await trio.sleep(SPIN_DELAY)

    async def close(self) -> None:
        """Confirm to the server what was stored since the last poll, if anything, unless the lease has run out. Bounded
        and shielded; never raises when the server does not answer: it delivers unconfirmed updates again, and the
        engine recognises them."""
        if self._refused or self._position.offset == self._told:
            return
        if trio.current_time() >= self._inbox.trusted_until:  # another instance may be polling by now
            return
        # `timeout=0` does not end another client's poll (rule 8), and the server answers a new offset at once (rule 5).
        params = {"offset": self._position.offset, "timeout": 0, "limit": 1}
        with trio.move_on_after(CONFIRM_SECONDS, shield=True):
            try:
                await self._api.ask("getUpdates", params, seconds=CONFIRM_SECONDS)
                self._told = self._position.offset
            except (ApiError, NoAnswer) as error:
                log.debug("the offset was not confirmed", session=self._session, error=str(error))

    async def check(self) -> None:
        """A poll that is overdue is dead, whatever the state of its socket. Raises ProviderError."""
        if self._asked_at is None:  # the last poll's updates are being stored, which may take a while
            return
        age = trio.current_time() - self._asked_at
        allowed = self._poll_timeout + 2 * POLL_MARGIN
        if age > allowed:
            raise ProviderError(f"no answer to a poll for {age:.0f} s; {allowed:.0f} s are the most it can take")

    async def probe(self) -> None:
        """One getMe. Raises ProviderError."""
        try:
            await self._api.ask("getMe")
        except (ApiError, NoAnswer) as error:
            raise poll_error(error, opening=False, takeover=self._takeover) from None
        self._inbox.beat()

    def ready_in(self, chat: str) -> float:
        """See `rookery.provider.capabilities.Paced`."""
        return self._pacer.ready_in(chat)

    def book(self, chat: str) -> float:
        """See `rookery.provider.capabilities.Paced`."""
        return self._pacer.book(chat)

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message; if its group became a supergroup, send it there. Raises SendError, and TerminalError when
        the token was revoked."""
        try:
            result = await self._call(message)
        except ApiError as error:
            if error.status in REFUSES_BOT:
                await self._prove()
            if is_unchanged(message, error):
                return to_receipt(message, msgspec.Raw(b"true"), self._inbox.now())
            if error.migrate_to is None:
                raise send_error(error) from None
            await self._report_migration(message.to, error.migrate_to)
            try:
                result = await self._call(after_migration(message), to=str(error.migrate_to))
            except (ApiError, NoAnswer) as second:
                raise send_error(second) from None
        except NoAnswer as error:
            raise send_error(error) from None
        now = self._inbox.now()
        self._inbox.life.last_ack = now
        return to_receipt(message, result, now)

    async def call(self, method: str, params: Mapping[str, Any]) -> bytes:
        """See `rookery.provider.capabilities.MethodCalling`."""
        check_method(method)
        chat = str(params["chat_id"]) if "chat_id" in params else None
        if (pause := self._floods.left(chat)) > 0:
            raise SendRateLimited(f"Telegram asked for a pause of {pause:.0f} s more", retry_after=pause)
        if chat is not None and is_message(method):
            self._pacer.book(chat)  # this call does not wait, but later sends do
        try:
            result = await self._make(with_files(method, params))
        except ApiError as error:
            if error.status in REFUSES_BOT:
                await self._prove()
            failure = call_error(error, method)
            if isinstance(failure, SendRateLimited):
                self._floods.add(chat, failure.retry_after)
            raise failure from None
        except NoAnswer as error:
            raise call_error(error, method) from None
        self._inbox.life.last_ack = self._inbox.now()
        return bytes(result)

    async def leave_server(self, how: str | None) -> None:
        """See `rookery.provider.capabilities.ServerLeaving`. `logOut` drops the updates that wait: they are fetched first."""
        method = how or "logOut"
        if method not in LEAVING:
            raise InvalidInput(f"method: one of {', '.join(LEAVING)}, not {method!r:.40}", field="method")
        if self._leaving or self._left:
            raise NotConnected("the session is leaving its server already")
        self._leaving = True
        try:
            self._polling.cancel()
            with trio.move_on_after(REST_SECONDS) as waiting:
                await self._floor.acquire()
            if waiting.cancelled_caught:
                raise NotConnected("the polls do not end")
            try:
                await self._fetch_the_rest()
                await self._api.call(method)
                self._left = True
            finally:
                self._floor.release()
        except (ApiError, NoAnswer) as error:
            raise call_error(error, method) from None
        finally:
            self._leaving = False

    async def _fetch_the_rest(self) -> None:
        """Store every update that waits at the server. Raises NotConnected."""
        try:
            with trio.fail_after(REST_SECONDS):
                before = -1
                while before != self._position.offset:
                    before = self._position.offset
                    await self._poll(at_once=True)
        except (ProviderError, trio.TooSlowError) as error:
            raise NotConnected(
                f"the updates that wait cannot be fetched: {str(error) or 'no answer in time'}"
            ) from None

    async def _prove(self) -> None:
        """The server refused a send in a way that may concern the whole bot: ask it. Raises TerminalError."""
        try:
            await self._api.ask("getMe")
        except ApiError as error:
            failure = poll_error(error, opening=True, takeover=self._takeover)
            if isinstance(failure, TerminalError):
                raise failure from None
        except NoAnswer as error:
            log.debug("the token could not be proved", session=self._session, error=str(error))

    async def _call(self, message: OutboundMessage, *, to: str | None = None) -> msgspec.Raw:
        return await self._make(to_call(message, to=to))

    async def _make(self, call: MethodCall) -> msgspec.Raw:
        """Raises ApiError, NoAnswer, SendError."""
        if not call.files:
            return await self._api.call(call.method, call.params)
        async with AsyncExitStack() as stack:
            parts = {name: await self._part(stack, name, file) for name, file in call.files.items()}
            try:
                return await self._api.upload(call.method, call.params, parts)
            except OSError as error:  # the rest of the body never left, so nothing was sent
                raise NotConnected(f"the file cannot be read: {error.strerror}") from None

    async def _part(self, stack: AsyncExitStack, field: str, file: File) -> FilePart:
        if file.media is None:
            data = file.data or b""
            return FilePart(*name_of(field, file.filename, file.media_type), data, len(data))
        stored = await stack.enter_async_context(self._inbox.media(file.media))
        name, kind = name_of(field, file.filename or stored.filename, file.media_type or stored.content_type)
        return FilePart(name, kind, stored.path, stored.size)

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        """See `rookery.provider.capabilities.MediaFetching`."""
        file_id = event.body["media"].get("file_id")
        if not isinstance(file_id, str):
            raise Rejected("this message names no file")
        try:
            found = _file.decode(await self._api.ask("getFile", {"file_id": file_id}))
            if found.file_path is not None and found.file_path.startswith("/") and self._local_files:
                await read_local(found.file_path, sink)
                return
            if found.file_path is None or found.file_path.startswith("/"):
                raise Rejected("the Bot API server hands out no files over HTTP (with --local, set local_files)")
            if found.file_size is not None and found.file_size > sink.limit:
                raise Rejected(f"the file has {found.file_size} bytes, {sink.limit} are allowed")
            await self._api.download(found.file_path, sink)
        except (ApiError, NoAnswer) as error:
            raise fetch_error(error) from None
        except _UNREADABLE:
            raise NotConnected("getFile gave no file") from None

    async def _report_migration(self, old: str, new: int) -> None:
        await self._inbox.commit([migration(old, str(new), self._inbox.now())], None)

    async def _poll(self, *, at_once: bool = False) -> bool:
        """One getUpdates call and its commit. True when the answer came at once and was empty. `at_once`: do not wait for
        updates."""
        position = self._position
        started = trio.current_time()
        if position.offset:
            self._poll_params["offset"] = position.offset
        self._asked_at = started
        try:
            result = await self._api.ask(
                "getUpdates",
                self._poll_params | {"timeout": 0} if at_once else self._poll_params,
                seconds=self._poll_timeout + POLL_MARGIN,
                repeat=False,  # `run` does that, for more kinds of trouble
                on_sent=self._confirmed,
            )
            events, ids = to_events(result, epoch=position.epoch, now=self._inbox.now)
        except (ApiError, NoAnswer) as error:
            return await self._refuse(error)
        except _UNREADABLE:
            raise ProviderError("getUpdates gave no list of updates", kind=Failure.SERVER) from None
        self._asked_at = None
        self._inbox.beat(trio.current_time() - started)
        self._webhook_deleted = False
        if not events:
            return trio.current_time() - started < SPIN_DELAY
        now = self._inbox.now()
        epoch = position.epoch_of(ids, now)
        if epoch != position.epoch:
            events, ids = to_events(result, epoch=epoch, now=self._inbox.now)
        async with self._storing:
            after = self._position.after(ids, epoch, now)
            if self._album_pause is not None:
                after = after.with_parts(events, now=now, pause=self._album_pause)
            await self._inbox.commit(events, after.dump())
            self._position = after
        self._parts_stored.set()
        return not ids

    async def _gather_albums(self) -> None:
        """Store the event of each album once its parts are complete; those that an earlier link left, too."""
        pause = self._album_pause or 0.0
        while True:
            self._parts_stored = trio.Event()
            async with self._storing:
                now = self._inbox.now()
                ripe = [album for album in self._position.albums if is_ripe(album, now=now, pause=pause)]
                if ripe:
                    after = self._position.without(ripe)
                    await self._inbox.commit([to_event(album) for album in ripe], after.dump())
                    self._position = after
            left = min((album.due - now for album in self._position.albums), default=float("inf"))
            with trio.move_on_after(max(0.0, left)):
                await self._parts_stored.wait()

    def _confirmed(self) -> None:
        """Note that the request has confirmed the offset, whether or not an answer comes."""
        self._told = self._position.offset

    async def _refuse(self, error: ApiError | NoAnswer) -> bool:
        """The error that a failed poll means; deletes a leftover webhook once (rule 11)."""
        if isinstance(error, ApiError) and error.webhook_active and not self._webhook_deleted:
            self._webhook_deleted = True
            try:
                await self._api.ask("deleteWebhook")
            except (ApiError, NoAnswer) as second:
                raise poll_error(second, opening=False, takeover=self._takeover) from None
            return False
        failure = poll_error(error, opening=False, takeover=self._takeover)
        self._refused = failure.kind is Failure.CONFLICT
        raise failure
