"""The worker's end of the socket, for many threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

from ..protocol import BrokenStream, FrameReader, FromWorker, ToWorker, encode, to_worker

CHUNK = 256 * 1024


class EngineGone(Exception):
    """The engine no longer reads from the socket."""


class Channel:
    """Frames to and from the engine. One thread reads, any thread writes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()
        self._incoming = self._read()

    def send(self, frame: FromWorker) -> None:
        """Write one frame; blocks while the engine does not read. Raises EngineGone."""
        data = encode(frame)
        with self._writing:
            try:
                self._connection.sendall(data)
            except OSError as error:
                raise EngineGone from error

    def frames(self) -> Iterator[ToWorker]:
        """The engine's frames, until the engine is gone; the same iterator each time."""
        return self._incoming

    def _read(self) -> Iterator[ToWorker]:
        reader = FrameReader()
        while True:
            try:
                data = self._connection.recv(CHUNK)
                if not data:
                    return
                for body in reader.feed(data):
                    yield to_worker.decode(body)
            except (OSError, BrokenStream):
                return
