"""Fetches the files of received messages."""

from __future__ import annotations

import msgspec

from rookery.errors import NotConnected, Rejected
from rookery.model.event import Event
from rookery.provider.capabilities import MediaSink

from ..bot_api.api import BotApi
from ..bot_api.errors import ApiError, NoAnswer, fetch_error
from ..bot_api.local_files import read_local


class _File(msgspec.Struct):
    file_path: str | None = None
    file_size: int | None = None


_file = msgspec.json.Decoder(_File)


async def fetch_file(api: BotApi, event: Event, sink: MediaSink, *, local_files: bool) -> None:
    """Write the event's file to `sink`. `local_files`: the paths that the server names are on this machine. Raises
    SendError."""
    file_id = event.body["media"].get("file_id")
    if not isinstance(file_id, str):
        raise Rejected("this message names no file")
    try:
        found = _file.decode(await api.ask("getFile", {"file_id": file_id}))
        if found.file_path is not None and found.file_path.startswith("/") and local_files:
            await read_local(found.file_path, sink)
            return
        if found.file_path is None or found.file_path.startswith("/"):
            raise Rejected(
                "the Bot API server does not serve files over HTTP (if it runs with --local, set local_files)"
            )
        if found.file_size is not None and found.file_size > sink.limit:
            raise Rejected(f"the file has {found.file_size} bytes, {sink.limit} are allowed")
        await api.download(found.file_path, sink)
    except (ApiError, NoAnswer) as error:
        raise fetch_error(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotConnected("getFile returned no file") from None
