"""One call to the Bot API, with its files as separate parts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rookery.model.content import FILE_NAMES, MEDIA_PREFIX


class File(msgspec.Struct, frozen=True):
    """A file to upload: its bytes, or the id of a stored one in `media`."""

    data: bytes | None = None
    media: str | None = None
    filename: str | None = None
    media_type: str | None = None


class MethodCall(msgspec.Struct, frozen=True):
    """One Bot API call; `files` by the name of the part that carries each."""

    method: str
    params: dict[str, Any]
    files: dict[str, File] = {}


def with_files(method: str, params: Mapping[str, Any]) -> MethodCall:
    """The call with each `"media:ID"` as a separate part: under the parameter's name, or as `attach://` inside one."""
    found: dict[str, File] = {}
    plain: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, str):
            if name in FILE_NAMES and value.startswith(MEDIA_PREFIX):
                found[name] = File(media=value.removeprefix(MEDIA_PREFIX))
            else:
                plain[name] = value
        else:
            plain[name] = _attached(value, found)
    return MethodCall(method, plain, found)


def _attached(value: Any, found: dict[str, File]) -> Any:
    if isinstance(value, dict):
        return {
            name: _attach(item, found)
            if name in FILE_NAMES and isinstance(item, str) and item.startswith(MEDIA_PREFIX)
            else _attached(item, found)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_attached(item, found) for item in value]
    return value


def _attach(item: str, found: dict[str, File]) -> str:
    part = f"file{len(found)}"
    found[part] = File(media=item.removeprefix(MEDIA_PREFIX))
    return f"attach://{part}"
