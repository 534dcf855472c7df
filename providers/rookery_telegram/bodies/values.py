"""Values that occur in several kinds of bodies: peers, files, origins."""

from __future__ import annotations

import msgspec

Text = str | msgspec.UnsetType
Flag = bool | msgspec.UnsetType
Number = int | msgspec.UnsetType
UNSET = msgspec.UNSET


class TelegramFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the Bot API describes it."""

    file_id: Text = UNSET
    unique_id: Text = UNSET
    filename: Text = UNSET
    mime_type: Text = UNSET
    size: Number = UNSET
    width: Number = UNSET
    height: Number = UNSET
    length: Number = UNSET
    duration: Number = UNSET
    emoji: Text = UNSET
    set_name: Text = UNSET
    sticker_type: Text = UNSET
    is_animated: Flag = UNSET
    is_video: Flag = UNSET
    custom_emoji_id: Text = UNSET
    start_timestamp: Number = UNSET
    title: Text = UNSET
    performer: Text = UNSET
    needs_repainting: Flag = UNSET


class TelegramMedia(TelegramFile, frozen=True, forbid_unknown_fields=True):
    """A file that can be downloaded; the HTTP API adds its address (`href`). `photo` is the still picture of a live photo."""

    thumbnail: TelegramFile | msgspec.UnsetType = UNSET
    photo: TelegramFile | msgspec.UnsetType = UNSET
    href: Text = UNSET


class TelegramPeer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user or a chat."""

    id: str
    name: str
    type: Text = UNSET
    title: Text = UNSET
    username: Text = UNSET
    is_bot: Flag = UNSET
    is_premium: Flag = UNSET
    is_forum: Flag = UNSET
    is_direct_messages: Flag = UNSET
    language: Text = UNSET


Peer = TelegramPeer | msgspec.UnsetType


class TelegramOrigin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a forwarded message comes from; `date` in seconds since the epoch."""

    type: str
    sender: Peer = UNSET
    sender_name: Text = UNSET
    chat: Peer = UNSET
    message_id: Text = UNSET
    signature: Text = UNSET
    date: Number = UNSET
