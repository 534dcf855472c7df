"""Sends the messages of one link: looks up the messages they refer to, fetches files and previews, and calls the worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import trio

from rookery.errors import AccountLimited, Rejected
from rookery.model import content as c
from rookery.model.message import OutboundMessage, Receipt
from rookery.provider.contract import Inbox

from ..addresses import address
from ..device.account import Account
from ..memory import QUOTE, Known, Memory
from ..settings import WorkerSettings
from .limits import Limits
from .outbound import IN_ALBUMS, LARGEST_CALL, to_call, to_receipt, with_file, with_stored
from .preview import first_address, preview
from .receiving import Receiver

NOTED = 2.0
"""Seconds within which a message that has just arrived appears in the view of its chat."""


ANSWERING = 0.5
"""The worker stops sending this many seconds before a send times out, so that its answer still arrives in time."""


class Sending:
    """Owned by the link; `call` calls the worker."""

    def __init__(
        self,
        account: Account,
        inbox: Inbox,
        receiver: Receiver,
        memory: Memory,
        limits: Limits,
        settings: WorkerSettings,
        call: Callable[..., Awaitable[Any]],
    ) -> None:
        self._account = account
        self._inbox = inbox
        self._receiver = receiver
        self._memory = memory
        self._limits = limits
        self._settings = settings
        self._call = call

    async def send(self, message: OutboundMessage) -> Receipt:
        """Send one message. Raises SendError."""
        content = message.content
        for id in {message.reply_to, getattr(content, "message_id", None)} - {None}:
            chat = (
                content.from_chat
                if isinstance(content, c.Forward | c.Copy) and id == content.message_id
                else message.to
            )
            await self._receiver.find(chat, str(id))
        method, arguments = to_call(message, self._memory, self._account.address)
        if method == "vote" and (author := await self._receiver.author(arguments["message_id"])):
            arguments["sender"] = author  # in the form from which the key of the votes is derived
        if isinstance(content, c.Forward | c.Copy):
            await self._add_earlier(arguments, content)
        async with AsyncExitStack() as stack:
            await self._add_files(stack, arguments, content)
            await self._add_preview(arguments, content)
            to = arguments["to"]
            if method == "send":
                await self._limits.check(to, message.to)
                # The worker continues to prepare a message after its caller has stopped waiting.
                arguments["within"] = trio.current_effective_deadline() - trio.current_time() - ANSWERING
            try:
                answer = await self._call(method, **arguments)
            except AccountLimited:
                raise await self._limits.refused(to) from None
            await self._limits.sent(to)
        receipt = to_receipt(message, answer, self._inbox.now())
        self._inbox.life.last_ack = self._inbox.now()
        if receipt.message_id and not isinstance(content, c.Vote):
            self._remember(receipt.message_id, content)
            for id, item in zip(answer.get("parts", ()), getattr(content, "items", ()), strict=False):
                self._memory.keep(id, Known(self._account.address, (item.caption or "")[:QUOTE], True, kind=item.type))
        return receipt

    def _remember(self, id: str, content: c.Content) -> None:
        text = getattr(content, "text", "") or getattr(content, "caption", "") or ""
        options = getattr(content, "choices", ())
        self._memory.keep(id, Known(self._account.address, text[:QUOTE], True, options, c.kind_of(content)))

    async def _add_earlier(self, arguments: dict[str, Any], content: c.Forward | c.Copy) -> None:
        """Add the earlier message to send again, from the log. Raises Rejected, StoreError."""
        chat, found = address(content.from_chat, "from_chat"), None
        with trio.move_on_after(NOTED):  # the view of a chat follows the log
            while (found := await self._inbox.recall(chat, content.message_id)) is None:
                await trio.sleep(NOTED / 20)
        if found is None:
            raise Rejected(
                f"message_id: {content.message_id!r} is not among the last messages of the chat {content.from_chat!r}"
            )
        earlier = found.raw.get("Message") if isinstance(found.raw, dict) else None
        if earlier is None and found.content.get("type") == "text":
            earlier = {"conversation": found.content["text"]}
        if not earlier:
            raise Rejected(f"message_id: the content of {content.message_id!r} was not kept; send it as a new message")
        arguments["message"] = earlier

    async def _add_files(self, stack: AsyncExitStack, arguments: dict[str, Any], content: c.Content) -> None:
        """Add the files of the message. Raises Rejected, NotConnected."""
        if isinstance(content, c.MEDIA):
            await self._add_file(stack, arguments, content)
        elif isinstance(content, c.Album):
            arguments["items"], size = [], 0
            for item in content.items:
                fields = {"type": IN_ALBUMS[item.type], "caption": item.caption, "filename": item.filename}
                one: dict[str, Any] = {"content": fields | {"mime_type": item.mime_type}, "data": None}
                await self._add_file(stack, one, item)
                arguments["items"].append(one)
                size += len(one["data"] or b"")
                if size > LARGEST_CALL:
                    raise Rejected(
                        f"items: the files have more than {LARGEST_CALL} bytes in total; upload them as media first"
                    )

    async def _add_file(self, stack: AsyncExitStack, arguments: dict[str, Any], file: Any) -> None:
        s = self._settings
        if file.media is not None:
            with_stored(arguments, await stack.enter_async_context(self._inbox.media(file.media)))
            return
        await with_file(
            arguments,
            file,
            limit=s.largest_media,
            seconds=s.media_timeout,
            allow_private=s.allow_private_urls,
            ca_bundle=s.ca_bundle,
        )

    async def _add_preview(self, arguments: dict[str, Any], content: c.Content) -> None:
        """Add the preview of a link in the text. Raises Rejected."""
        link, wanted = arguments.pop("link", None), arguments.pop("link_preview", False)
        if not isinstance(content, c.Text) or not content.preview:
            return
        if link is None and wanted and (found := first_address(content.text)):
            link = {"url": found}
        if link is not None and (shown := await preview(link, self._settings, self._call)) is not None:
            arguments["link"] = shown
