"""Publishes events to NATS JetStream (nats-py). Delivered means that the stream has acknowledged the event.

`Nats-Msg-Id` is the event's id, by which JetStream itself drops repetitions within its window (two minutes by default).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js.api import StreamConfig

from ...model.webhook import Delivery, Webhook
from ...runtime.asyncio_thread import AsyncioThread, open_asyncio_thread
from ..post import delivery_id, request_body
from .asyncio_route import CLOSE_SECONDS, AsyncioRoute, opened, unless
from .commands import CommandSource
from .target import fixed_part, parse_address, resolve

MAX_CONNECT_SECONDS = 10

READ_SHARE = 0.25
"""Part of a delivery's time for reading what the stream holds."""

NO_JETSTREAM = (None, 10039, 10076)
"""Nobody answers for JetStream here; it is not enabled for the account, or for the server."""


class NatsRoute(AsyncioRoute):
    """One connection for one sink. The library's own reconnecting is off: the lane retries a failed delivery."""

    tls: Callable[[], ssl.SSLContext] | None = None
    installation = ""

    async def connect(self) -> Any:
        address = self.address
        options: dict[str, Any] = {}
        if address.encrypted:
            options["tls"] = self.tls() if self.tls is not None else ssl.create_default_context()
        if token := address.options.get("token"):
            options["token"] = token
        elif address.user is not None:
            options |= {"user": address.user, "password": address.password or ""}
        closed = asyncio.Event()

        async def on_close() -> None:
            closed.set()

        client = Client()
        try:
            await client.connect(
                f"nats://{_bracketed(address.host)}:{address.port}",
                name="rookery",
                allow_reconnect=False,
                max_reconnect_attempts=1,  # otherwise it retries the first connection for ever
                closed_cb=on_close,
                connect_timeout=max(1, min(int(self.seconds), MAX_CONNECT_SECONDS)),
                error_cb=_ignore,
                **options,
            )
        except BaseException:  # it may have a socket by then, which nothing else would close
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.close()
            raise
        return client, client.jetstream(timeout=self.seconds), closed

    async def publish(self, connection: Any, delivery: Delivery) -> None:
        client, stream, closed = connection
        subject = resolve(self.target, delivery.event)
        headers = {"Nats-Msg-Id": delivery_id(delivery), "Content-Type": "application/json"}
        body = request_body(delivery)
        try:
            confirmed = await unless(closed, stream.publish(subject, body, headers=headers))
        except nats.js.errors.NoStreamResponseError:
            if not self.address.may_create:
                raise RuntimeError(f"no stream matches the subject {subject}") from None
            await unless(closed, self._create(stream))
            confirmed = await unless(closed, stream.publish(subject, body, headers=headers))
        if confirmed.duplicate and not await unless(closed, self._holds(client, confirmed, subject, body)):
            # Another installation, or another sink of this one, has published an event with this id: ours was dropped.
            headers["Nats-Msg-Id"] += f"-{self.installation}-{delivery.webhook}"
            await unless(closed, stream.publish(subject, body, headers=headers))

    async def _holds(self, client: Client, confirmed: Any, subject: str, body: bytes) -> bool:
        """Whether the message that the stream took for the same is ours. False also if it is no longer there, or may not be
        read: an event that comes twice is better than one that is lost. Raises while the stream is not ready."""
        # Without the right to read no answer comes, and the event must still be published in the time of this delivery.
        reader = client.jetstream(timeout=self.seconds * READ_SHARE)
        try:
            held = await reader.get_msg(confirmed.stream, seq=confirmed.seq)
        except (nats.js.errors.NotFoundError, nats.errors.TimeoutError):
            return False
        except nats.js.errors.ServiceUnavailableError as error:
            if error.err_code in NO_JETSTREAM:  # the stream is another account's
                return False
            raise
        return bool(held.subject == subject and held.data == body)

    async def _create(self, stream: Any) -> None:
        """Create a stream for every subject of this sink, unless another lane has created it meanwhile."""
        head = fixed_part(self.target)
        subjects = [f"{head}.>" if head and "{" in self.target else self.target if head else ">"]
        name = self.address.options.get("stream") or re.sub(r"[^A-Za-z0-9_-]", "_", head or "rookery")
        try:
            await stream.add_stream(StreamConfig(name=name, subjects=subjects))
        except nats.js.errors.BadRequestError as error:
            if error.err_code not in (10058, 10065):  # another stream already uses the name or the subjects
                raise
            raise RuntimeError(f"no stream matches the subject, and {name} exists with other subjects") from None

    async def disconnect(self, connection: Any) -> None:
        await connection[0].close()

    def is_open(self, connection: Any) -> bool:
        return bool(connection[0].is_connected)

    def breaks(self, error: Exception) -> bool:
        return isinstance(error, nats.errors.Error | OSError) and not isinstance(error, nats.js.errors.APIError)


class NatsTransport:
    """Implements `Transport`: one asyncio thread for all sinks that lead to NATS."""

    def __init__(self, thread: AsyncioThread, tls: Callable[[], ssl.SSLContext], installation: str) -> None:
        self._thread = thread
        self._tls = tls
        self._installation = installation

    @asynccontextmanager
    async def open_route(self, webhook: Webhook, *, seconds: float) -> AsyncIterator[NatsRoute]:
        """See `Transport.open_route`."""
        route = NatsRoute(self._thread, parse_address(webhook.url), webhook.target or "", seconds)
        route.tls, route.installation = self._tls, self._installation
        try:
            yield route
        finally:
            await route.aclose()

    @asynccontextmanager
    async def open_commands(self, sink: Webhook, *, seconds: float) -> AsyncIterator[CommandSource]:
        """See `CommandTransport.open_commands`."""
        from .nats_commands import NatsCommands

        route = NatsRoute(self._thread, parse_address(sink.url), "", seconds)
        route.tls = self._tls
        async with opened(
            NatsCommands(self._thread, route.connect, sink, may_create=route.address.may_create), seconds
        ) as source:
            yield source


@asynccontextmanager
async def open_nats_transport(tls: Callable[[], ssl.SSLContext], installation: str) -> AsyncIterator[NatsTransport]:
    """Opens the transport and closes it at the end of the block. `tls` makes the context for encrypted connections,
    `installation` is the store's name for itself."""
    async with open_asyncio_thread("rookery-nats") as thread:
        yield NatsTransport(thread, tls, installation)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _ignore(error: Exception) -> None:
    """The library would print the error; the failed delivery reports it as well."""
