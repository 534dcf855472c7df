"""The Telegram provider: the state that all bots of one engine share; opens and closes each bot's link."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from rookery.errors import InvalidInput, ProviderError, TerminalError
from rookery.model.session import Action, Reason, Session
from rookery.provider.capabilities import Reached
from rookery.provider.contract import Inbox, Link
from rookery.runtime.signals import Flag
from rookery.runtime.trust import tls_context

from .bot_api.methods import check_method
from .bot_api.proxy import check_proxy
from .event_types import EVENT_TYPES
from .receiving.moments import SharedMoments
from .sending.options import check_options, options_of
from .sending.rates import Rates
from .settings import API_URL, BotSettings, bot_settings, check_address

if TYPE_CHECKING:  # a server without bots needs neither httpx nor the code of links: `_connect` loads them
    from .bot_api.api import BotApi
    from .bot_api.server import BotServer
    from .link import TelegramLink

POLL_TIMEOUT = 50
"""Seconds; the server's maximum."""

REACH_SECONDS = 10.0
PREDECESSOR_SECONDS = 5.0
"""Seconds that a session waits for another one that is still releasing the same bot."""
OCCUPIED_INTERVAL = 0.5
"""Seconds between two checks whether the other session has released it."""

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{3,256}")


class _Holder:
    """The session that runs a bot; `gone` is set when its link has ended."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.gone = Flag()


class _Opening:
    """The context of `Telegram.open_link`: opens the link and closes it. It waits as long as the link lives, so it is not a
    generator, which takes four times the memory."""

    __slots__ = ("_api", "_bot", "_holder", "_inbox", "_link", "_provider", "_session")

    def __init__(self, provider: Telegram, session: Session, inbox: Inbox) -> None:
        self._provider = provider
        self._session = session
        self._inbox = inbox

    async def __aenter__(self) -> Link:
        token = self._session.credentials.get("token", "")
        if not _TOKEN.fullmatch(token):
            raise TerminalError("there is no valid token", reason=Reason.INVALID_TOKEN, action=Action.REPLACE_TOKEN)
        try:
            settings = bot_settings(self._session.settings)
        except InvalidInput as error:
            raise TerminalError(str(error), reason=Reason.CONFIGURATION, action=Action.FIX_CONFIGURATION) from None
        self._bot = _bot_id(token)
        self._holder = await self._provider._hold(self._bot, self._session.id, self._inbox)
        try:
            self._api, self._link = self._provider._connect(token, self._session, settings, self._inbox)
            try:
                await self._link.open()
            except BaseException:
                await self._api.aclose()
                raise
        except BaseException:
            self._provider._let_go(self._bot, self._holder)
            raise
        return self._link

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._link.close()
        finally:
            try:
                await self._api.aclose()
            finally:
                self._provider._let_go(self._bot, self._holder)


class Telegram:
    """`rookery.provider.Provider` for Telegram bots.

    Args:
        api_url: the Bot API server: Telegram's, a local one, or the simulator.
        poll_timeout: duration of one long poll, 0 to 50 seconds.
        rates: pacing of sends for sessions that set none.
        ca_bundle: a PEM file of certificate authorities to trust in addition to the system's.
        proxy: the proxy of bots that set none; see `BotSettings.proxy`.
        local_files: the Bot API server runs in its `--local` mode and shares a file system with this process: received files
            are read from the paths that the server names.
    """

    platform = "telegram"
    event_types = EVENT_TYPES

    def __init__(
        self,
        *,
        api_url: str = API_URL,
        poll_timeout: int = POLL_TIMEOUT,
        rates: Rates | None = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
        local_files: bool = False,
    ) -> None:
        check_address(api_url)
        if not 0 <= poll_timeout <= POLL_TIMEOUT:
            raise InvalidInput(f"poll_timeout: 0 to {POLL_TIMEOUT} seconds, not {poll_timeout}", field="poll_timeout")
        self._api_url = api_url
        self._poll_timeout = int(poll_timeout)
        self._rates = rates or Rates()
        self._ca_bundle = ca_bundle
        self._proxy = check_proxy(proxy, "proxy") if proxy is not None else None
        self._local_files = local_files
        self._server: BotServer | None = None  # opened with the first bot
        self._engines = 0  # that run this provider now
        self._bots: dict[str, _Holder] = {}  # by bot id: the session that runs it here
        self._moments = SharedMoments(self._bots)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Engines that share the provider share what its bots open; the last one closes it. Raises InvalidInput for a CA
        bundle that cannot be used."""
        if self._ca_bundle is not None and not self._engines:
            tls_context(self._ca_bundle)
        self._engines += 1
        try:
            yield
        finally:
            self._engines -= 1
            if not self._engines and self._server is not None:
                server, self._server = self._server, None
                await server.aclose()

    def check(self, credentials: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Raises InvalidInput."""
        token = credentials.get("token")
        if token is None:
            raise InvalidInput(
                'credentials.token: the bot\'s token is needed: {"token": "..."}', field="credentials.token"
            )
        if not _TOKEN.fullmatch(token):
            raise InvalidInput(
                "credentials.token: a bot token looks like 123456789:AAE...; BotFather issues it",
                field="credentials.token",
            )
        if unknown := credentials.keys() - {"token"}:
            raise InvalidInput(
                "credentials: only `token` is known for a Telegram bot", field=f"credentials.{min(unknown)}"
            )
        bot_settings(settings)

    def option_names(self, kind: str) -> Collection[str]:
        """See `rookery.provider.capabilities.OptionChecking`."""
        return options_of(kind)

    def check_options(self, kind: str, options: Mapping[str, Any], *, fields: Collection[str]) -> None:
        """See `rookery.provider.capabilities.OptionChecking`."""
        check_options(kind, options, fields=frozenset(fields))

    def check_call(self, method: str, params: Mapping[str, Any]) -> str:
        """See `rookery.provider.capabilities.MethodProvider`."""
        return check_method(method)

    def answers_query(self, method: str) -> bool:
        """See `rookery.provider.capabilities.QueryAnswering`."""
        return method.lower().startswith("answer")

    async def reach(self) -> Reached:
        """See `rookery.provider.capabilities.Reachable`. Any answer shows that the Bot API server is reachable."""
        return await self._reach(self._proxy)

    async def reach_by(self, settings: Mapping[str, Any]) -> Reached:
        """See `rookery.provider.capabilities.ReachableBy`."""
        return await self._reach(bot_settings(settings).proxy or self._proxy)

    def way_of(self, settings: Mapping[str, Any]) -> str | None:
        """See `rookery.provider.capabilities.ReachableBy`."""
        proxy = settings.get("proxy")
        return proxy if isinstance(proxy, str) else None

    async def _reach(self, proxy: str | None) -> Reached:
        import httpx

        from .bot_api.transport import PlainTransport

        host = httpx.URL(self._api_url).host
        if proxy is not None:
            host += f" through the proxy {httpx.URL(proxy).host}"
        context = tls_context(self._ca_bundle)
        transport = PlainTransport(context, proxy)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=REACH_SECONDS) as client:
            try:
                answer = await client.get(self._api_url)
            except httpx.HTTPError as error:
                raise ProviderError(f"{host} does not answer: {error or type(error).__name__}") from None
        if answer.status_code == 407:
            raise ProviderError(f"{host} does not answer: the proxy refuses the user or the password")
        ahead = None
        with suppress(KeyError, ValueError):
            ahead = parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
        return Reached(f"{host} answers", ahead)

    def open_link(self, session: Session, inbox: Inbox) -> AbstractAsyncContextManager[Link]:
        """See `rookery.provider.Provider.open_link`."""
        return _Opening(self, session, inbox)

    async def _hold(self, bot: str, session: str, inbox: Inbox) -> _Holder:
        """Hold the bot for one link: two links would take each other's updates, on this and on other instances. Waits
        for a predecessor that is still closing. `_let_go` must follow."""
        until = trio.current_time() + PREDECESSOR_SECONDS
        with trio.move_on_at(until):
            while bot in self._bots:
                await self._bots[bot].gone.wait()
        if bot in self._bots:
            raise _taken_by(self._bots[bot].session)
        holder = self._bots[bot] = _Holder(session)
        try:
            while (other := await inbox.occupy(bot)) is not None:
                if trio.current_time() >= until:
                    raise _taken_by(other)
                await trio.sleep(OCCUPIED_INTERVAL)
        except BaseException:
            self._let_go(bot, holder)
            raise
        return holder

    def _let_go(self, bot: str, holder: _Holder) -> None:
        del self._bots[bot]
        holder.gone.set()

    def _connect(
        self, token: str, session: Session, settings: BotSettings, inbox: Inbox
    ) -> tuple[BotApi, TelegramLink]:
        """A link that is not open yet, and its calls."""
        from .bot_api.api import BotApi
        from .bot_api.server import BotServer
        from .link import TelegramLink

        if self._server is None:
            self._server = BotServer(self._api_url, None)
        proxy = settings.proxy or self._proxy
        if self._server.ssl_context is None and (self._server.is_https or (proxy or "").startswith("https")):
            # Shared: a context for each bot would cost 0.8 MB and 20 ms.
            self._server.ssl_context = tls_context(self._ca_bundle)
        api = BotApi(token, self._server, proxy=proxy)
        return api, TelegramLink(
            session.id,
            _bot_id(token),
            api,
            inbox,
            self._rates_of(settings).pacer(),
            poll_timeout=self._poll_timeout,
            allowed_updates=settings.allowed_updates,
            takeover=settings.takeover,
            local_files=self._local_files,
            gather_albums=settings.gather_albums,
            moments=self._moments,
        )

    def _rates_of(self, settings: BotSettings) -> Rates:
        chosen = {
            "overall": settings.sends_per_second,
            "per_chat": settings.sends_per_second_per_chat,
            "per_group": settings.sends_per_second_per_group,
        }
        return msgspec.structs.replace(self._rates, **{name: rate for name, rate in chosen.items() if rate is not None})


def _taken_by(session: str) -> TerminalError:
    return TerminalError(
        f"the session {session!r} already runs this bot",
        reason=Reason.CONFIGURATION,
        action=Action.FIX_CONFIGURATION,
    )


def _bot_id(token: str) -> str:
    """The number before the colon. It stays the same when the token is revoked and replaced."""
    return token.partition(":")[0]
