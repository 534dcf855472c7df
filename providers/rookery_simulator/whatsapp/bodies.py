"""The bodies of the control API's requests: msgspec checks them and says what is wrong with one."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Number = Annotated[str, Meta(pattern=r"^[0-9]{5,15}$", description="a phone number: digits only, country code first")]
Name = Annotated[str, Meta(max_length=100)]
Written = Annotated[str, Meta(max_length=65536)]
Option = Annotated[str, Meta(min_length=1, max_length=255)]
Code = Annotated[int, Meta(ge=0, le=999)]
Pause = Annotated[float, Meta(ge=0, le=60)]  # seconds


class Body(Struct, forbid_unknown_fields=True):
    """A JSON object; a field that is not declared is an error."""


class PhoneBody(Body):
    """Make a phone, or rename it."""

    number: Number
    name: Name | None = None


class CodeBody(Body):
    """The text of a QR code, or a pairing code."""

    code: Annotated[str, Meta(max_length=1000)]


class GroupBody(Body):
    """Create a group; the first member is the admin."""

    name: Name
    members: Annotated[list[Number], Meta(min_length=1, max_length=1024)]


class ChannelBody(Body):
    """Create a channel. Without an owner, it belongs to an account that has no phone here."""

    name: Name
    description: Written = ""
    owner: Number | None = None


class PostBody(Body):
    """A post in a channel."""

    text: Written


class NetworkBody(Body):
    """The state of the network for everyone."""

    state: Literal["up", "down", "black hole"]


class SettingsBody(Body):
    """The fields of `Settings`; those that are left out keep their value."""

    qr_codes: Annotated[int, Meta(ge=1, le=100)] | UnsetType = UNSET
    addressing: Literal["lid", "pn", "hidden"] | UnsetType = UNSET
    low_prekeys: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET
    many_prekeys: bool | UnsetType = UNSET
    retry_delay: Pause | UnsetType = UNSET
    ack_times: bool | UnsetType = UNSET
    restart_is_heard: bool | UnsetType = UNSET
    delivery_receipts: bool | UnsetType = UNSET


# Messages. `to` is a phone number, or the address of a group.


class Text(Body, tag_field="type", tag="text"):
    to: str
    text: Written


class Media(Body, tag_field="type", tag="media"):
    """A file; `data` is base64."""

    to: str
    data: bytes
    kind: Literal["image", "video", "audio", "document"] = "image"
    mimetype: Name = "image/jpeg"
    caption: Written = ""
    name: Name = ""


class Location(Body, tag_field="type", tag="location"):
    to: str
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: Name = ""


class Contact(Body, tag_field="type", tag="contact"):
    to: str
    name: Name
    number: Number


class Poll(Body, tag_field="type", tag="poll"):
    to: str
    question: Option
    options: Annotated[list[Option], Meta(min_length=1, max_length=12)]


class Status(Body, tag_field="type", tag="status"):
    """A text for all `viewers`, outside of any chat."""

    viewers: Annotated[list[Number], Meta(min_length=1, max_length=1024)]
    text: Written


class Reply(Body, tag_field="type", tag="reply"):
    message_id: str
    text: Written


class Reaction(Body, tag_field="type", tag="reaction"):
    """A reaction; an empty `emoji` removes it."""

    message_id: str
    emoji: Annotated[str, Meta(max_length=64)]


class Vote(Body, tag_field="type", tag="vote"):
    """A vote; without options, it is withdrawn."""

    message_id: str
    options: Annotated[list[Option], Meta(max_length=12)]


class Edit(Body, tag_field="type", tag="edit"):
    message_id: str
    text: Written


class Revoke(Body, tag_field="type", tag="revoke"):
    message_id: str


Placed = Text | Media | Location | Contact | Poll
Message = Placed | Status | Reply | Reaction | Vote | Edit | Revoke


# Small signs of life


class ReadBody(Body):
    """A receipt for a message that the phone received."""

    message_id: str
    kind: Literal["read", "played"] = "read"


class TypingBody(Body):
    to: Number
    state: Literal["composing", "paused"] = "composing"
    audio: bool = False


class PresenceBody(Body):
    to: Number
    online: bool


class RingBody(Body):
    to: Number
    video: bool = False


# What happens to the linked devices of a phone


class Slow(Body, tag_field="do", tag="slow"):
    seconds: Pause


class Ban(Body, tag_field="do", tag="ban"):
    seconds: Annotated[int, Meta(ge=0, le=10**9)] = 3600


class Refuse(Body, tag_field="do", tag="refuse"):
    reason: Code


class StreamError(Body, tag_field="do", tag="stream_error"):
    code: Code


class SendError(Body, tag_field="do", tag="send_error"):
    """Answer messages with an error; None ends that."""

    code: Code | None


class Drop(Body, tag_field="do", tag="drop"):
    """Cut the connection."""


class Silence(Body, tag_field="do", tag="silence"):
    """Swallow the traffic."""


class Speak(Body, tag_field="do", tag="speak"):
    """End a silence."""


class Remove(Body, tag_field="do", tag="remove"):
    """Unlink."""


class Replace(Body, tag_field="do", tag="replace"):
    """The same device logs in elsewhere."""


class Admit(Body, tag_field="do", tag="admit"):
    """End a refusal."""


Happening = Drop | Silence | Speak | Slow | Remove | Replace | Ban | Refuse | Admit | StreamError | SendError
