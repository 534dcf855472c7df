"""The bodies of messages and albums."""

from __future__ import annotations

from typing import Any

import msgspec

from ..receiving.message_kinds import CONTENT_KINDS, SERVICE_KINDS
from .values import UNSET, Flag, Number, Peer, TelegramMedia, TelegramOrigin, TelegramPeer, Text


class _MessageBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message. `text` is its text or caption. `kind` is the kind of content, and the field of that name holds the Bot API's
    description of it. `service` marks something that happened in the chat, as opposed to something that a person wrote."""

    message_id: str
    kind: str
    text: str
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: Text = UNSET
    sender: TelegramPeer | msgspec.UnsetType | None = UNSET
    sender_chat: Peer = UNSET
    sender_business_bot: Peer = UNSET
    sender_tag: Text = UNSET
    sender_boost_count: Number = UNSET
    receiver_user: Peer = UNSET
    via_bot: Peer = UNSET
    guest_bot_caller_user: Peer = UNSET
    guest_bot_caller_chat: Peer = UNSET
    guest_query_id: Text = UNSET
    signature: Text = UNSET
    reply_to: Text = UNSET
    external_reply: Any = UNSET
    quote: Any = UNSET
    reply_to_story: Any = UNSET
    reply_to_checklist_task: Text = UNSET
    reply_to_poll_option: Text = UNSET
    thread_id: Text = UNSET
    is_topic_message: Flag = UNSET
    direct_messages_topic: Any = UNSET
    business_connection_id: Text = UNSET
    media_group_id: Text = UNSET
    effect_id: Text = UNSET
    ephemeral_message_id: Text = UNSET
    forward: TelegramOrigin | msgspec.UnsetType = UNSET
    is_automatic_forward: Flag = UNSET
    has_protected_content: Flag = UNSET
    has_media_spoiler: Flag = UNSET
    show_caption_above_media: Flag = UNSET
    is_paid_post: Flag = UNSET
    is_from_offline: Flag = UNSET
    paid_star_count: Number = UNSET
    suggested_post_info: Any = UNSET
    edited_at: Number = UNSET
    sent_at: Number = UNSET
    entities: Any = UNSET
    caption_entities: Any = UNSET
    link_preview_options: Any = UNSET
    reply_markup: Any = UNSET
    media: TelegramMedia | msgspec.UnsetType = UNSET
    service: Flag = UNSET


TelegramInnerMessage: Any = msgspec.defstruct(
    "TelegramInnerMessage",
    [(kind, Any, UNSET) for kind in (*CONTENT_KINDS, *SERVICE_KINDS)],
    bases=(_MessageBody,),
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    namespace={"__doc__": "A message inside another update: the one replied to, or the one whose button was pressed."},
    module=__name__,
)
TelegramMessageBody: Any = msgspec.defstruct(
    "TelegramMessageBody",
    [("reply_to_message", TelegramInnerMessage | msgspec.UnsetType, UNSET)],
    bases=(TelegramInnerMessage,),
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    namespace={"__doc__": _MessageBody.__doc__},
    module=__name__,
)


_AlbumPart = msgspec.defstruct(
    "TelegramAlbumPart",
    [("key", str)],
    bases=(TelegramMessageBody,),
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    namespace={"__doc__": "A message of an album; `key` is that of its own event."},
    module=__name__,
)


class TelegramAlbumBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An album: what its messages share, and each of them in `parts`. `text` is the first caption; `source` the type of the
    parts' own events."""

    media_group_id: str
    source: str
    text: str
    message_ids: list[str]
    parts: list[_AlbumPart]  # type: ignore[valid-type]
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: Text = UNSET
    sender: TelegramPeer | msgspec.UnsetType | None = UNSET
    sender_chat: Peer = UNSET
    via_bot: Peer = UNSET
    reply_to: Text = UNSET
    thread_id: Text = UNSET
    business_connection_id: Text = UNSET
    forward: TelegramOrigin | msgspec.UnsetType = UNSET
