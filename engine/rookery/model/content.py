"""What can be sent: one tagged structure per kind of message, `{"type": "text", "text": "hi"}` and so on.

A provider sends the kinds that its platform knows and answers `Rejected` to the others. Unknown fields are errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

import msgspec

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]
MediaType = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,100}/[!-~ ]{1,150}$(?!\n)")]
"""Such as `image/png`: it becomes a header of the request that carries the file."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text"):
    """Plain text. `format` tells how to read marks in it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=65536)]
    format: Literal["plain", "html", "markdown"] = "plain"
    preview: bool = True  # show a preview of the first link


class _Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """A file: by `url`, as base64 in `data`, or the id of a stored one in `media`; exactly one of them."""

    url: str | None = None
    data: bytes | None = None  # base64 in JSON
    media: str | None = None
    filename: str | None = None
    mime_type: MediaType | None = None
    caption: str | None = None

    def __post_init__(self) -> None:
        if (self.url is not None) + (self.data is not None) + (self.media is not None) != 1:
            raise ValueError("give exactly one of `url`, `data` (base64) and `media` (the id of a stored file)")


class Image(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="image"):
    """A picture."""


class Video(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="video"):
    """A film."""


class Audio(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="audio"):
    """Music or another sound file."""


class Voice(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="voice"):
    """A voice note."""


class Document(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="document"):
    """Any file, unchanged."""


class Sticker(_Media, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="sticker"):
    """A sticker."""


class Location(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="location"):
    """A point on the map, in degrees."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="contact"):
    """Somebody's address card."""

    name: NonEmpty
    phone: NonEmpty


class Reaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="reaction"):
    """An emoji on an existing message; the empty string takes it back."""

    message_id: NonEmpty
    emoji: str


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="edit"):
    """New text for a message that was sent before."""

    message_id: NonEmpty
    text: NonEmpty
    format: Literal["plain", "html", "markdown"] = "plain"


class Delete(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="delete"):
    """Removes a message for everybody."""

    message_id: NonEmpty


class Typing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="typing"):
    """Shows that somebody is busy writing (or sending a file)."""

    action: str = "typing"


class Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="poll"):
    """A question with answers to choose from; `selectable` of them at most, 0 for any number."""

    question: NonEmpty
    choices: Annotated[tuple[NonEmpty, ...], msgspec.Meta(min_length=2, max_length=12)]
    selectable: Annotated[int, msgspec.Meta(ge=0, le=12)] = 1


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="read"):
    """Tells the sender that a message was read, where the platform has that."""

    message_id: NonEmpty


class PlatformCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="call"):
    """A method of the platform, called from the queue. Callers write the platform's name as `type`."""

    platform: NonEmpty
    method: Annotated[str, msgspec.Meta(pattern="^[A-Za-z][A-Za-z0-9]{1,63}$")]
    params: dict[str, Any] = {}


Content = (
    Text
    | Image
    | Video
    | Audio
    | Voice
    | Document
    | Sticker
    | Location
    | Contact
    | Poll
    | Reaction
    | Edit
    | Delete
    | Read
    | Typing
    | PlatformCall
)

MEDIA = (Image, Video, Audio, Voice, Document, Sticker)

KINDS: dict[str, Any] = {str(kind.__struct_config__.tag): kind for kind in get_args(Content)}
PASSING = (Typing, Read)
"""What only shows in passing: platforms do not count it as messages, so no pace holds it up."""

MEDIA_PREFIX = "media:"
"""Begins the id of a stored file in the parameters of a `PlatformCall`."""
FILE_NAMES = frozenset(
    (
        *("animation", "audio", "certificate", "cover", "document", "live_photo", "media"),
        *("photo", "sticker", "thumbnail", "video", "video_note", "voice"),
    )
)
"""The names under which parameters may hold a file."""


def kind_of(content: Content) -> str:
    """What callers write as `type`."""
    return content.platform if isinstance(content, PlatformCall) else str(content.__struct_config__.tag)


def media_of(content: Content) -> tuple[str, ...]:
    """The ids of the stored files that a message names."""
    if isinstance(content, PlatformCall):
        return tuple(media_in(content.params))
    return (content.media,) if isinstance(content, MEDIA) and content.media is not None else ()


def media_in(value: Any) -> Iterator[str]:
    """The ids of the stored files in the parameters of a call."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str):
                if name in FILE_NAMES and item.startswith(MEDIA_PREFIX):
                    yield item.removeprefix(MEDIA_PREFIX)
            else:
                yield from media_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from media_in(item)


_decoder = msgspec.json.Decoder(Content)
_encoder = msgspec.json.Encoder()


def encode_content(content: Content) -> bytes:
    """JSON for the store; `decode_content` reads it."""
    return _encoder.encode(content)


def decode_content(data: bytes | str) -> Content:
    """The inverse of `encode_content`."""
    content: Content = _decoder.decode(data)
    return content
