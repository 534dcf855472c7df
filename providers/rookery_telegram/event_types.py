"""The events that Telegram's updates become: their types, and what their bodies hold."""

from __future__ import annotations

from typing import Any

import msgspec

from rookery.model.event_type import ChatRole, EventType

from .receiving.albums import TYPE as ALBUM
from .receiving.messages import CONTENT_KINDS, SERVICE_KINDS
from .receiving.updates import ALL_KINDS, MESSAGE_KINDS

Text = str | msgspec.UnsetType
Flag = bool | msgspec.UnsetType
Number = int | msgspec.UnsetType
UNSET = msgspec.UNSET


class TelegramMedia(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that can be fetched; `href` is there in answers of the API."""

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
    href: Text = UNSET


class TelegramPeer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user or a chat."""

    id: str
    name: str
    type: Text = UNSET
    title: Text = UNSET
    username: Text = UNSET
    is_bot: Flag = UNSET
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


class _MessageBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message. `text` is its text or caption; `kind` says what it is, and a field of that name holds what the Bot API says
    of it; `service` marks what happened in a chat, as opposed to what somebody wrote."""

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
    entities: Any = UNSET
    caption_entities: Any = UNSET
    link_preview_options: Any = UNSET
    reply_markup: Any = UNSET
    media: TelegramMedia | msgspec.UnsetType = UNSET
    service: Flag = UNSET


TelegramMessageBody: Any = msgspec.defstruct(
    "TelegramMessageBody",
    [(kind, Any, UNSET) for kind in (*CONTENT_KINDS, *SERVICE_KINDS)],
    bases=(_MessageBody,),
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


def _body(name: str, about: str, **fields: Any) -> Any:
    """A body whose fields are all optional."""
    return msgspec.defstruct(
        f"Telegram{name}Body",
        [(field, kind | msgspec.UnsetType if kind is not Any else Any, UNSET) for field, kind in fields.items()],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": about},
        module=__name__,
    )


_QUERY = {"id": str, "sender": TelegramPeer}
_BOOST = {"boost_id": str, "source": Any, "chat": TelegramPeer, "sender": TelegramPeer}
_MEMBER = _body(
    "Membership",
    "Who is what in a chat now (`new`) and before (`old`), changed `by` whom.",
    old=Any,
    new=Any,
    status=str,
    previous_status=str,
    member=TelegramPeer,
    by=TelegramPeer,
    chat=TelegramPeer,
    invite_link=Any,
    via_join_request=bool,
    via_chat_folder_invite_link=bool,
)
_OTHER_BODIES: dict[str, Any] = {
    "business_connection": _body(
        "BusinessConnection",
        "A business account was connected, changed or disconnected.",
        **_QUERY,
        user_chat_id=str,
        is_enabled=bool,
        rights=Any,
        can_reply=bool,
    ),
    "deleted_business_messages": _body(
        "Deletion", "Messages that are gone.", message_ids=list[str], business_connection_id=str, chat=TelegramPeer
    ),
    "message_reaction": _body(
        "Reaction",
        "Reactions of one person (`sender`) or of a chat that reacts anonymously (`actor_chat`); `emoji` is the first one, "
        "empty when there are none any more.",
        message_id=str,
        emoji=str,
        old_reaction=Any,
        new_reaction=Any,
        chat=TelegramPeer,
        sender=TelegramPeer,
        actor_chat=TelegramPeer,
    ),
    "message_reaction_count": _body(
        "ReactionCount", "How often each reaction was given.", message_id=str, reactions=Any, chat=TelegramPeer
    ),
    "inline_query": _body(
        "InlineQuery",
        "Somebody types an inline query; `id` is what to answer.",
        **_QUERY,
        query=str,
        offset=str,
        chat_type=str,
        location=Any,
    ),
    "chosen_inline_result": _body(
        "ChosenResult",
        "An inline result was chosen.",
        **_QUERY,
        result_id=str,
        query=str,
        inline_message_id=str,
        location=Any,
    ),
    "callback_query": _body(
        "CallbackQuery",
        "A button was pressed: `id` is what to answer, `data` what the button holds, `message` the message that has it.",
        **_QUERY,
        data=str,
        message_id=str,
        inline_message_id=str,
        chat_instance=str,
        game_short_name=str,
        chat=TelegramPeer,
        message=TelegramMessageBody,
    ),
    "shipping_query": _body(
        "ShippingQuery", "An order wants shipping options.", **_QUERY, payload=str, shipping_address=Any
    ),
    "pre_checkout_query": _body(
        "PreCheckoutQuery",
        "An order wants a last word before it is paid, within ten seconds.",
        **_QUERY,
        payload=str,
        currency=str,
        total_amount=int,
        shipping_option_id=str,
        order_info=Any,
    ),
    "purchased_paid_media": _body("PurchasedMedia", "Paid media were bought.", **_QUERY, payload=str),
    "poll": _body(
        "Poll",
        "The state of a poll; `poll` is all of it.",
        id=str,
        question=str,
        options=Any,
        total_voter_count=int,
        is_closed=bool,
        poll=Any,
    ),
    "poll_answer": _body(
        "PollAnswer",
        "A vote; `sender` is the voter, a chat (`voter_chat`) when it votes anonymously.",
        poll_id=str,
        option_ids=Any,
        option_persistent_ids=Any,
        sender=TelegramPeer,
        voter_chat=TelegramPeer,
    ),
    "my_chat_member": _MEMBER,
    "chat_member": _MEMBER,
    "chat_join_request": _body(
        "JoinRequest",
        "Somebody asks to join.",
        chat=TelegramPeer,
        sender=TelegramPeer,
        user_chat_id=str,
        bio=str,
        invite_link=Any,
        query_id=str,
    ),
    "chat_boost": _body("Boost", "A chat was boosted.", **_BOOST, expiration_date=int),
    "removed_chat_boost": _body("RemovedBoost", "A boost is gone.", **_BOOST),
    "subscription": _body(
        "Subscription",
        "A subscription of a user to the bot has another `state`; `payload` is that of its invoice.",
        sender=TelegramPeer,
        payload=str,
        state=str,
    ),
    "stopped_message_generation": _body(
        "StoppedGeneration",
        "A person stopped the generation of the draft `draft_id`.",
        chat=TelegramPeer,
        draft_id=str,
        thread_id=str,
    ),
    "managed_bot": _body("ManagedBot", "A managed bot was made or changed.", sender=TelegramPeer, bot=TelegramPeer),
}


_SUMMARIES = {
    "message": "A message to the bot, or in a group that it is in.",
    "edited_message": "A message has another content.",
    "channel_post": "A post in a channel.",
    "edited_channel_post": "A post in a channel has another content.",
    "business_message": "A message of a connected business account.",
    "edited_business_message": "A message of a connected business account has another content.",
    "guest_message": "A message from a chat that the bot is a guest of.",
    "deleted_business_messages": "Messages of a connected business account are gone.",
    "message_reaction": "Somebody's reactions to a message are others.",
    "message_reaction_count": "The numbers of anonymous reactions to a message are others.",
    "callback_query": "A button below a message was pressed; it wants an answer.",
    "inline_query": "Somebody types an inline query; it wants an answer.",
    "shipping_query": "An order wants a shipping price.",
    "pre_checkout_query": "An order wants a last word before it is paid.",
}
_ROLES = {
    "message": ChatRole.MESSAGE,
    "channel_post": ChatRole.MESSAGE,
    "business_message": ChatRole.MESSAGE,
    "guest_message": ChatRole.MESSAGE,
    "edited_message": ChatRole.EDIT,
    "edited_channel_post": ChatRole.EDIT,
    "edited_business_message": ChatRole.EDIT,
    "deleted_business_messages": ChatRole.DELETION,
    "message_reaction": ChatRole.REACTION,
}


def _row(name: str) -> EventType:
    body = TelegramMessageBody if name in MESSAGE_KINDS else _OTHER_BODIES[name]
    summary = _SUMMARIES.get(name, f"An update of the kind `{name}`.")
    return EventType(name=name, summary=summary, body=body, platform="telegram", role=_ROLES.get(name))


EVENT_TYPES = (
    *map(_row, ALL_KINDS),
    EventType(
        name=ALBUM,
        summary="The messages of a media group, which were events of their own before (setting `gather_albums`).",
        body=TelegramAlbumBody,
        platform="telegram",
    ),
    EventType(name="chat_migrated", summary="A group became a supergroup, with another id.", platform="telegram"),
    EventType(name="unknown", summary="An update that this version cannot read; `raw` has it.", platform="telegram"),
)
"""The catalogue's rows for Telegram."""
