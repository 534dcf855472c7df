"""An HTTP endpoint that keeps every delivery it was sent, as a user's webhook would receive them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import h11
import msgspec
import trio


class Delivery(msgspec.Struct, frozen=True):
    """One POST: its path, headers (lower case) and body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = msgspec.json.decode(self.body)["data"]
        return event


class WebhookReceiver:
    """`status` and `answer` may decide the status of a delivery and the body of the answer; by default 204 without a body.
    `hold` comes before: what never leaves it was not delivered."""

    def __init__(self) -> None:
        self.url = ""
        self.deliveries: list[Delivery] = []
        self.status: Callable[[Delivery], int] = lambda delivery: 204
        self.answer: Callable[[Delivery], bytes] = lambda delivery: b""
        self.hold: Callable[[Delivery], Awaitable[None]] | None = None
        self._arrived = trio.lowlevel.ParkingLot()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when `condition` holds, which is looked at after each delivery. The caller sets the deadline."""
        while not condition():
            await self._arrived.park()

    async def handle(self, stream: trio.SocketStream) -> None:
        """One connection, until it is closed."""
        connection = h11.Connection(h11.SERVER)
        head: h11.Request | None = None
        body = b""
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some(65_536))
                elif isinstance(event, h11.Request):
                    head, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    assert head is not None
                    headers = {name.decode(): value.decode() for name, value in head.headers}
                    delivery = Delivery(head.target.decode(), headers, body)
                    if self.hold is not None:
                        await self.hold(delivery)
                    status, content = self.status(delivery), self.answer(delivery)
                    self.deliveries.append(delivery)
                    self._arrived.unpark_all()
                    length = [("content-length", str(len(content)))]
                    answer = connection.send(h11.Response(status_code=status, headers=length)) or b""
                    answer += connection.send(h11.Data(content)) or b""
                    answer += connection.send(h11.EndOfMessage()) or b""
                    await stream.send_all(answer)
                    connection.start_next_cycle()
                else:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            return


@asynccontextmanager
async def open_webhook_receiver() -> AsyncIterator[WebhookReceiver]:
    """Listens on a free loopback port for the duration of the block."""
    receiver = WebhookReceiver()
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, host="127.0.0.1")
        listeners = await nursery.start(serve, receiver.handle, 0)
        receiver.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        yield receiver
        nursery.cancel_scope.cancel()
