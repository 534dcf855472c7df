"""A Bot API server without methods: it records each request's parameters and files, and gives the answers set for it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from typing import Any

import h11
import msgspec
import trio

PIECE = 65_536
"""Bytes."""

Answer = Callable[["Received"], tuple[int, Any]]


class Received(msgspec.Struct):
    """One call. `files` by the name of their part: file name, media type, content."""

    method: str
    params: dict[str, Any]
    files: dict[str, tuple[str, str, bytes]]
    path: str


class MethodLog:
    """`calls` are those that were made, but for what keeps a session connected; `answer` decides the answers."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Received] = []
        self.answer: Answer = lambda call: (200, {"ok": True, "result": {"echo": call.method}})
        self.updates: list[dict[str, Any]] = []
        self.arrived = trio.Event()
        self.polling = trio.Event()
        self.file = b"file content"
        """What every download gets."""
        self.on_progress: Callable[[int], Awaitable[object]] | None = None
        """Called with the number of bytes of a request's body that have arrived, and of a file that have left."""

    def note(self, call: Received) -> None:
        self.calls.append(call)
        self.arrived.set()
        self.arrived = trio.Event()

    async def until(self, count: int) -> None:
        """Return when so many calls have come."""
        with trio.fail_after(30):
            while len(self.calls) < count:
                await self.arrived.wait()

    async def reply(self, call: Received) -> tuple[int, Any]:
        match call.method:
            case "getMe":
                return 200, {
                    "ok": True,
                    "result": {"id": 123456, "is_bot": True, "first_name": "Bot", "username": "bot"},
                }
            case "deleteWebhook":
                return 200, {"ok": True, "result": True}
            case "getUpdates":
                self.polling.set()
                offset = call.params.get("offset", 0)
                with trio.move_on_after(call.params.get("timeout", 0)):
                    while not (found := [update for update in self.updates if update["update_id"] >= offset]):
                        await trio.sleep(0.01)
                    return 200, {"ok": True, "result": found}
                return 200, {"ok": True, "result": []}
        self.note(call)
        return self.answer(call)

    async def serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._one(stream, connection):
                connection.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _one(self, stream: trio.abc.Stream, connection: h11.Connection) -> bool:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if self.on_progress is not None:
                    await self.on_progress(len(body))
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        assert request is not None
        path = request.target.decode()
        if path.startswith("/file/"):
            status, content, kind = 200, self.file, b"application/octet-stream"
        else:
            headers = dict(request.headers)
            params, files = _read(headers.get(b"content-type", b""), bytes(body))
            status, answer = await self.reply(Received(path.rpartition("/")[2], params, files, path))
            content, kind = json.dumps(answer).encode(), b"application/json"
        head = [(b"content-type", kind), (b"content-length", str(len(content)).encode())]
        await stream.send_all(connection.send(h11.Response(status_code=status, headers=head)) or b"")
        for start in range(0, len(content), PIECE):
            await stream.send_all(connection.send(h11.Data(data=content[start : start + PIECE])) or b"")
            if self.on_progress is not None and kind == b"application/octet-stream":
                await self.on_progress(start + PIECE)
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _read(kind: bytes, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, str, bytes]]]:
    if kind == b"application/json":
        return json.loads(body), {}
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind + b"\r\n\r\n" + body)
    params: dict[str, Any] = {}
    files: dict[str, tuple[str, str, bytes]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        if (filename := part.get_filename()) is not None:
            files[name] = (filename, part.get_content_type(), content)
        else:
            text = content.decode()
            try:
                params[name] = json.loads(text)
            except ValueError:
                params[name] = text
    return params, files


@asynccontextmanager
async def open_method_log(tls: ssl.SSLContext | None = None) -> AsyncIterator[MethodLog]:
    """On a free port of loopback, until the end of the block; with `tls` over https, as the public server."""
    log = MethodLog()
    serve: Callable[..., Awaitable[Any]] = partial(trio.serve_tcp, log.serve, 0, host="127.0.0.1")
    if tls is not None:
        serve = partial(trio.serve_ssl_over_tcp, log.serve, 0, tls, host="127.0.0.1", https_compatible=True)
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(serve)
        socket = (listener.transport_listener if tls is not None else listener).socket
        log.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{socket.getsockname()[1]}"
        yield log
        nursery.cancel_scope.cancel()
