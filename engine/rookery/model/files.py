"""The kinds of messages that carry files; `content` has the others and the union of all."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MediaType = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,100}/[!-~ ]{1,150}$(?!\n)")]
"""A media type such as `image/png`: it becomes a header of the request that carries the file."""


def _check_source(file: _Media | Item) -> None:
    if (file.url is not None) + (file.data is not None) + (file.media is not None) != 1:
        raise ValueError("give exactly one of `url`, `data` (base64) and `media` (the id of a stored file)")


class _Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """A file: by `url`, as base64 in `data`, or the id of a stored one in `media`; exactly one of them."""

    url: str | None = None
    data: bytes | None = None  # base64 in JSON
    media: str | None = None
    filename: str | None = None
    mime_type: MediaType | None = None
    caption: str | None = None

    def __post_init__(self) -> None:
        _check_source(self)


class Image(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="image"):
    """A picture."""


class Video(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="video"):
    """A video."""


class Audio(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="audio"):
    """Music or another sound file."""


class Voice(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="voice"):
    """A voice note."""


class Document(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="document"):
    """Any file, sent unchanged."""


class Sticker(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="sticker"):
    """A sticker."""


class Animation(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="animation"):
    """A silent, looping video, such as a GIF."""


class VideoNote(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="video_note"):
    """A short, round video."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of several, with the same fields as in a message of its own."""

    type: Literal["image", "photo", "video", "audio", "document", "animation"]
    url: str | None = None
    data: bytes | None = None  # base64 in JSON
    media: str | None = None
    filename: str | None = None
    mime_type: MediaType | None = None
    caption: str | None = None

    def __post_init__(self) -> None:
        _check_source(self)


class Album(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="album"):
    """Several pictures and videos, or several files of one kind, that belong together."""

    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=2, max_length=10)]


class PaidMedia(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="paid_media"):
    """Pictures and videos that are visible for a price; `stars` is the price in the platform's own currency."""

    stars: Annotated[int, msgspec.Meta(ge=1, le=25_000)]
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=10)]
    caption: str | None = None
