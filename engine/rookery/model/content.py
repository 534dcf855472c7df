"""Message contents that can be sent: one tagged structure per kind, `{"type": "text", "text": "hi"}` and so on.

A provider sends the kinds that its platform supports and answers `Rejected` to the others. Unknown fields are errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

import msgspec

from .files import Album as Album
from .files import Animation as Animation
from .files import Audio as Audio
from .files import Document as Document
from .files import Image as Image
from .files import Item as Item
from .files import PaidMedia as PaidMedia
from .files import Sticker as Sticker
from .files import Video as Video
from .files import VideoNote as VideoNote
from .files import Voice as Voice

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]
ChatName = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
"""A chat as callers name it: as long as the `to` of a message at most."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="text", gc=False):
    """Plain text. `format` is its markup."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=65536)]
    format: Literal["plain", "html", "markdown"] = "plain"
    preview: bool = True  # show a preview of the first link


class Forward(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="forward"):
    """A message of another chat, with its author's name."""

    from_chat: ChatName
    message_id: NonEmpty


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="copy"):
    """A message of another chat, sent as the account's own; `caption` replaces the caption of a file."""

    from_chat: ChatName
    message_id: NonEmpty
    caption: str | None = None


class Dice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="dice"):
    """An emoji whose value the platform draws."""

    emoji: NonEmpty = "\U0001f3b2"


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a price, in the smallest units of the currency."""

    label: NonEmpty
    amount: int


class Invoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="invoice"):
    """A bill that can be paid at once; `payload` comes back with the payment."""

    title: NonEmpty
    description: NonEmpty
    payload: NonEmpty
    currency: NonEmpty
    prices: Annotated[tuple[Price, ...], msgspec.Meta(min_length=1)]


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="pin"):
    """Pins a message."""

    message_id: NonEmpty


class Unpin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="unpin"):
    """Unpins a message; without an id, the newest pinned one."""

    message_id: NonEmpty | None = None


class Location(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="location"):
    """A point on the map, in degrees."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="contact"):
    """A person's contact details."""

    name: NonEmpty
    phone: NonEmpty


class Reaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="reaction"):
    """One or several emoji on an existing message; the empty string removes them."""

    message_id: NonEmpty
    emoji: str | Annotated[tuple[NonEmpty, ...], msgspec.Meta(max_length=3)]


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="edit"):
    """Replaces part of an earlier message: its text, the caption of its file, the file, or its buttons."""

    message_id: NonEmpty
    text: NonEmpty | None = None
    format: Literal["plain", "html", "markdown"] = "plain"
    caption: str | None = None
    media: Item | None = None
    reply_markup: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in (self.text, self.caption, self.media, self.reply_markup)):
            raise ValueError("give `text`, `caption`, `media` or `reply_markup`")
        if (self.text is not None) + (self.caption is not None) + (self.media is not None) > 1:
            raise ValueError("give only one of `text`, `caption` and `media`, which has a caption of its own")


class Delete(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="delete"):
    """Removes a message for everybody."""

    message_id: NonEmpty


class Typing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="typing"):
    """Shows that the sender is typing (or sending a file)."""

    action: str = "typing"


class Poll(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="poll"):
    """A question with answers to choose from: at most `selectable` of them, 0 for any number."""

    question: NonEmpty
    choices: Annotated[tuple[NonEmpty, ...], msgspec.Meta(min_length=2, max_length=12)]
    selectable: Annotated[int, msgspec.Meta(ge=0, le=12)] = 1


class Vote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="vote"):
    """A vote in somebody's poll, by the names of the answers; it replaces an earlier one, and no answer takes it back."""

    message_id: NonEmpty
    choices: Annotated[tuple[NonEmpty, ...], msgspec.Meta(max_length=12)]


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="read"):
    """A read receipt for a message, where the platform supports it."""

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
    | Animation
    | VideoNote
    | Album
    | PaidMedia
    | Forward
    | Copy
    | Dice
    | Invoice
    | Pin
    | Unpin
    | Vote
    | PlatformCall
)

MEDIA = (Image, Video, Audio, Voice, Document, Sticker, Animation, VideoNote)

KINDS: dict[str, Any] = {str(kind.__struct_config__.tag): kind for kind in get_args(Content)}
PASSING = (Typing, Read)
"""Content that platforms do not count as messages, so no rate limit delays it."""

ABOUT_OTHERS = frozenset((Edit, Delete, Reaction, Typing, Read, Vote))
"""Content that is not a message of its own: it changes another message, or is transient."""

MEDIA_PREFIX = "media:"
"""Prefix of the id of a stored file in the parameters of a `PlatformCall`."""
FILE_NAMES = frozenset(
    (
        *("animation", "audio", "certificate", "cover", "document", "live_photo", "media"),
        *("photo", "sticker", "thumbnail", "video", "video_note", "voice"),
    )
)
"""The parameter names that may hold a file."""


def kind_of(content: Content) -> str:
    """The `type` that callers write."""
    return content.platform if isinstance(content, PlatformCall) else str(content.__struct_config__.tag)


def media_of(content: Content) -> tuple[str, ...]:
    """The ids of the stored files that a message names."""
    if isinstance(content, PlatformCall):
        return tuple(media_in(content.params))
    if isinstance(content, Album | PaidMedia):
        return tuple(item.media for item in content.items if item.media is not None)
    if isinstance(content, Edit):
        return (content.media.media,) if content.media is not None and content.media.media is not None else ()
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
