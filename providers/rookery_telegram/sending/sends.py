"""The sends and calls of one bot."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from rookery.errors import NotConnected, SendRateLimited, TerminalError
from rookery.log import get_logger
from rookery.model.message import OutboundMessage, Receipt
from rookery.provider.contract import Inbox
from rookery.provider.pacer import Pacer

from ..bot_api.api import BotApi
from ..bot_api.errors import ApiError, NoAnswer, call_error, send_error
from ..bot_api.methods import check_method, is_message
from ..bot_api.multipart import FilePart
from ..bot_api.session_errors import poll_error
from ..receiving.updates import migration
from .floods import Floods
from .outbound import after_migration, is_unchanged, name_of, to_call, to_receipt
from .request import File, MethodCall, with_files

REFUSES_BOT = frozenset({401, 404, 421})
"""Error codes of a send that may mean that the server refuses the bot itself."""

SPARE = 5.0
"""Seconds by which the engine's deadline for a send may be later than that of its call, which needs none then."""

log = get_logger("SESSION")


class Sends:
    """Sends a bot's messages and calls any of its methods. The link owns it.

    Args:
        takeover: insist on the bot when another program polls it, too (see `bot_api.conflict`).
    """

    __slots__ = (
        "_api",
        "_floods",
        "_inbox",
        "_pacer",
        "_session",
        "_takeover",
    )

    def __init__(self, session: str, api: BotApi, inbox: Inbox, pacer: Pacer, *, takeover: bool) -> None:
        self._session = session
        self._api = api
        self._inbox = inbox
        self._pacer = pacer
        self._takeover = takeover
        self._floods = Floods()

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message; if its group became a supergroup, send it there. Raises SendError, and TerminalError when
        the token was revoked."""
        try:
            result = await self._make(to_call(message), spare=SPARE)
        except ApiError as error:
            if error.status in REFUSES_BOT:
                await self._prove()
            if is_unchanged(message, error):
                return to_receipt(message, msgspec.Raw(b"true"), self._inbox.now())
            if error.migrate_to is None:
                raise send_error(error) from None
            await self._report_migration(message.to, error.migrate_to)
            try:
                result = await self._make(to_call(after_migration(message), to=str(error.migrate_to)))
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
            raise SendRateLimited(f"Telegram demands a pause of another {pause:.0f} s", retry_after=pause)
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

    async def _prove(self) -> None:
        """Check the token after the server refused a send in a way that may concern the whole bot. Raises TerminalError."""
        try:
            await self._api.ask("getMe")
        except ApiError as error:
            failure = poll_error(error, opening=True, takeover=self._takeover)
            if isinstance(failure, TerminalError):
                raise failure from None
        except NoAnswer as error:
            log.debug("the token could not be checked", session=self._session, error=str(error))

    def _make(self, call: MethodCall, *, spare: float = 0.0) -> Coroutine[Any, Any, msgspec.Raw]:
        """The call, ready to be awaited; it then raises ApiError, NoAnswer or SendError."""
        return self._upload(call) if call.files else self._api.call(call.method, call.params, spare=spare)

    async def _upload(self, call: MethodCall) -> msgspec.Raw:
        """Make a call with files. Raises ApiError, NoAnswer, SendError."""
        async with AsyncExitStack() as stack:
            parts = {name: await self._part(stack, name, file) for name, file in call.files.items()}
            try:
                return await self._api.upload(call.method, call.params, parts)
            except OSError as error:  # the request is incomplete, so nothing was sent
                raise NotConnected(f"the file cannot be read: {error.strerror}") from None

    async def _part(self, stack: AsyncExitStack, field: str, file: File) -> FilePart:
        if file.media is None:
            data = file.data or b""
            return FilePart(*name_of(field, file.filename, file.media_type), data, len(data))
        stored = await stack.enter_async_context(self._inbox.media(file.media))
        name, kind = name_of(field, file.filename or stored.filename, file.media_type or stored.content_type)
        return FilePart(name, kind, stored.path, stored.size)

    async def _report_migration(self, old: str, new: int) -> None:
        await self._inbox.commit([migration(old, str(new), self._inbox.now())], None)
