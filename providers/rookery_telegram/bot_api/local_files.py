"""Received files of a Bot API server that runs in its `--local` mode: it answers with a path instead of the bytes."""

from __future__ import annotations

from pathlib import Path

from rookery.errors import NotConnected, Rejected
from rookery.provider.capabilities import MediaSink
from rookery.runtime.threads import on_files

from .multipart import BLOCK


async def read_local(path: str, sink: MediaSink) -> None:
    """Copy the file into `sink`. Raises Rejected, NotConnected, MediaError."""
    try:
        file = await on_files(lambda: Path(path).open("rb"))  # noqa: SIM115 - closed below, in pieces of work of their own
    except FileNotFoundError:
        raise Rejected(
            "the file that the Bot API server names is not here: does it share files with Rookery?"
        ) from None
    except OSError as error:
        raise NotConnected(f"the file of the Bot API server cannot be read: {error.strerror}") from None
    try:
        while block := await on_files(lambda: file.read(BLOCK)):
            await sink.write(block)
    finally:
        file.close()
