"""Describes files in messages without fetching them."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]
_NAMES = (("fileName", "filename"), ("seconds", "seconds"), ("width", "width"), ("height", "height"))


def _file(part: Any, body: Body) -> None:
    """Add `media`, but only if there is a file to fetch: an edited caption names none."""
    body["text"] = getattr(part, "caption", "")
    if not (part.directPath or getattr(part, "URL", "")):
        return
    media: dict[str, Any] = {"mime_type": getattr(part, "mimetype", "") or None, "size": part.fileLength}
    for field, name in _NAMES:
        if value := getattr(part, field, None):
            media[name] = value
    body["media"] = media
    if getattr(part, "viewOnce", False):
        body["view_once"] = True


def image(part: Any, body: Body) -> None:
    """A picture."""
    _file(part, body)


def video(part: Any, body: Body) -> None:
    """A video, a round video note, or an animation without sound."""
    _file(part, body)
    if part.gifPlayback and body["kind"] == "video":
        body["kind"] = "animation"


def audio(part: Any, body: Body) -> None:
    """Sound, or a voice note."""
    _file(part, body)
    if part.PTT:
        body["kind"] = "voice"


def document(part: Any, body: Body) -> None:
    """Any file."""
    _file(part, body)


def sticker(part: Any, body: Body) -> None:
    """A sticker."""
    _file(part, body)
    if part.isAnimated:
        body["animated"] = True


def sticker_pack(part: Any, body: Body) -> None:
    """Several stickers in one archive."""
    _file(part, body)
    body["text"] = part.caption or part.name
    body["sticker_pack"] = {"id": part.stickerPackID, "name": part.name or None, "count": len(part.stickers)}
