"""The protocol between the engine's process and a worker. No I/O, and only msgspec, so that both sides may import it.

A frame is a length in four bytes, big-endian, followed by that many bytes of MessagePack. The engine speaks first
(`Welcome`); the worker answers `Hello` once its library is loaded, or `Unfit` and ends. A `client` is a number that the
engine gives to one connection of one session and never uses again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

VERSION = 1
"""Both sides must have the same version; they are installed together, so a difference means a broken installation."""

MAX_FRAME = 256 * 1024 * 1024
"""Bytes. A longer frame means that the stream is out of step."""

_LENGTH = struct.Struct(">I")


class _Frame(msgspec.Struct, frozen=True, tag_field="frame", gc=False):
    """The tag of each kind is its name."""


# From the engine


class Welcome(_Frame, frozen=True, tag=True):
    """`beat`: seconds between heartbeats. `patience`: seconds of silence after which the worker ends itself."""

    version: int
    beat: float
    patience: float


class Start(_Frame, frozen=True, tag=True):
    """Connect a client. `database`: as neonize takes it. `jid`: the stored device, None to pair a new one. `history`: as
    in `settings.AccountSettings`. `unstored`: the path, without an ending, of the files for events that the engine has not
    stored; None to keep none. `unstored_keys`: the AES keys for them, newest first."""

    client: int
    session: str
    database: str
    jid: str | None
    proxy: str | None
    device_name: str
    history: str = "none"
    unstored: str | None = None
    unstored_keys: list[bytes] = []


class Stop(_Frame, frozen=True, tag=True):
    """Disconnect a client, without logging out; answered by a notice `ended`."""

    client: int


class WorkerCall(_Frame, frozen=True, tag=True):
    """Call a method of a client; answered by `Reply` or `Failed` with the same `call`."""

    call: int
    client: int
    method: str
    arguments: dict[str, Any]


class Stored(_Frame, frozen=True, tag=True):
    """The event `number` is durable."""

    client: int
    number: int


class Ping(_Frame, frozen=True, tag=True):
    """The engine is alive. `until`: the worker ends itself at this time of `time.monotonic` (all processes of a machine share
    that clock) unless another ping comes first: from then on another engine may run one of its sessions. None: no other
    engine may."""

    until: float | None = None


class Quit(_Frame, frozen=True, tag=True):
    """Stop every client and end."""


ToWorker = Welcome | Start | Stop | WorkerCall | Stored | Ping | Quit


# From the worker


class Hello(_Frame, frozen=True, tag=True):
    """The library is loaded."""

    version: int
    library: str
    pid: int


class Unfit(_Frame, frozen=True, tag=True):
    """The library cannot be used here; the worker ends."""

    reason: str


class Beat(_Frame, frozen=True, tag=True):
    """The worker is alive. `leftovers`: ended clients; the library never frees all of their memory."""

    clients: int
    leftovers: int


class Happened(_Frame, frozen=True, tag=True):
    """An event to store; the client sends the next one after `Stored`. The fields are those of `rookery.model.NewEvent`."""

    client: int
    number: int
    type: str
    key: str
    time: float
    chat: str | None
    sender: str | None
    body: bytes
    raw: bytes


class Notice(_Frame, frozen=True, tag=True):
    """A change of a client's connection; `kind` is one of those in `rookery_whatsapp.link.failures` and `pairing`."""

    client: int
    kind: str
    detail: dict[str, Any] = {}


class Reply(_Frame, frozen=True, tag=True):
    """The result of a call."""

    call: int
    value: Any


class Failed(_Frame, frozen=True, tag=True):
    """A call failed. `kind`: not_connected (nothing was sent), rejected, rate_limited, refused (the server refused a
    query), limited (the account may write only to people it knows), gone (a file), or unknown (the call may have taken
    effect)."""

    call: int
    kind: str
    text: str


FromWorker = Hello | Unfit | Beat | Happened | Notice | Reply | Failed

_encoder = msgspec.msgpack.Encoder()
to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


class BrokenStream(Exception):
    """The bytes are not valid frames."""


def encode(frame: ToWorker | FromWorker) -> bytes:
    """One frame, with its length."""
    body = _encoder.encode(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Splits a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> Iterator[bytes]:
        """Add bytes; returns the bodies of the frames that are complete now. Raises BrokenStream."""
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._buffer, start)
            if size > MAX_FRAME:
                raise BrokenStream(f"a frame of {size} bytes")
            end = start + _LENGTH.size + size
            if len(self._buffer) < end:
                break
            yield bytes(memoryview(self._buffer)[start + _LENGTH.size : end])
            start = end
        del self._buffer[:start]
