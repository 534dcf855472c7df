"""One connected bot: receives, sends, and leaves without losing or repeating an update."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec
import trio

from rookery.errors import Failure, InvalidInput, ProviderError
from rookery.model.event import Event
from rookery.model.message import OutboundMessage, Receipt
from rookery.provider.capabilities import MediaSink
from rookery.provider.contract import Inbox
from rookery.provider.pacer import Pacer

from .bot_api.api import BotApi
from .bot_api.errors import ApiError, NoAnswer, call_error
from .bot_api.session_errors import poll_error
from .receiving.files import fetch_file
from .receiving.moments import SharedMoments
from .receiving.polls import UNREADABLE, Polls
from .sending.sends import Sends

LEAVING = ("logOut", "close")
"""The methods that release a bot: from Telegram's own server, and from a local one."""


class _Me(msgspec.Struct):
    id: int
    first_name: str = ""
    username: str | None = None


class TelegramLink:
    """`rookery.provider.Link` of a bot. `open` proves the token, `close` ends it; the provider owns both calls."""

    __slots__ = (
        "_api",
        "_inbox",
        "_local_files",
        "_pacer",
        "_polls",
        "_sends",
        "_takeover",
        "account",
    )

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
        moments: SharedMoments | None = None,
    ) -> None:
        self._api = api
        self._inbox = inbox
        self._pacer = pacer
        self._takeover = takeover
        self._local_files = local_files
        self._sends = Sends(session, api, inbox, pacer, takeover=takeover)
        self._polls = Polls(
            session,
            bot,
            api,
            inbox,
            poll_timeout=poll_timeout,
            allowed_updates=allowed_updates,
            takeover=takeover,
            album_pause=gather_albums,
            moments=moments,
        )
        self.account = ""

    async def open(self) -> None:
        """Clear a webhook (pending updates stay) and prove the token. Raises ProviderError."""
        try:
            await self._api.ask("deleteWebhook")
            asked_at = trio.current_time()
            me = msgspec.json.decode(await self._api.ask("getMe"), type=_Me)
        except (ApiError, NoAnswer) as error:
            raise poll_error(error, opening=True, takeover=self._takeover) from None
        except UNREADABLE:
            raise ProviderError("getMe returned no bot: is the API address right?", kind=Failure.SERVER) from None
        self.account = f"@{me.username}" if me.username else me.first_name
        answered_at = self._polls.answered_at = trio.current_time()
        life = self._inbox.life
        life.account = {"id": str(me.id), "username": me.username, "name": me.first_name}
        life.last_probe, life.probe_latency = self._inbox.now(), answered_at - asked_at
        self._inbox.beat()

    def run(self) -> Coroutine[Any, Any, None]:
        """Poll until cancelled. Raises ProviderError, when awaited."""
        return self._polls.run()

    async def close(self) -> None:
        """Confirm the stored updates to the server. Bounded and shielded; never raises when the server does not answer."""
        await self._polls.confirm()

    def fault(self) -> str | None:
        """See `rookery.provider.capabilities.SelfAware`."""
        return self._polls.fault()

    @property
    def answered_at(self) -> float:
        """See `rookery.provider.capabilities.SelfProving`."""
        return self._polls.answered_at

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

    def send(self, message: OutboundMessage) -> Coroutine[Any, Any, Receipt]:
        """See `Sends.send`. Raises SendError and TerminalError, when awaited."""
        return self._sends.send(message)

    def call(self, method: str, params: Mapping[str, Any]) -> Coroutine[Any, Any, bytes]:
        """See `rookery.provider.capabilities.MethodCalling`."""
        return self._sends.call(method, params)

    async def leave_server(self, how: str | None) -> None:
        """See `rookery.provider.capabilities.ServerLeaving`. `logOut` drops waiting updates, so they are fetched first."""
        method = how or "logOut"
        if method not in LEAVING:
            raise InvalidInput(f"method: one of {', '.join(LEAVING)}, not {method!r:.40}", field="method")
        try:
            async with self._polls.halted():
                await self._api.call(method)
                self._polls.end()
        except (ApiError, NoAnswer) as error:
            raise call_error(error, method) from None

    async def fetch_media(self, event: Event, sink: MediaSink) -> None:
        """See `rookery.provider.capabilities.MediaFetching`."""
        await fetch_file(self._api, event, sink, local_files=self._local_files)
