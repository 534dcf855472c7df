"""Each type of event as a class of its own, with the fields of its body. Made from the server's catalogue
(`GET /v1/event-types`) by `tests/support/checks/typed_events.py`; do not change it by hand.

    match event:
        case typed_events.Message():
            print(event.body.get("text"))

`event_of`, the clients and `verify` make these. A type that this version does not know is a plain `Event`. More
fields than those listed may follow in a body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from .events import Event


class MessageStatusBody(TypedDict):
    """The state of a send: `id` is ours, `message_id` the platform's."""

    id: str
    state: str
    error: str | None
    message_id: str | None


class PairingBody(TypedDict):
    """A code that authorises the session until `expires_at`."""

    code: str
    expires_at: str | None
    round: NotRequired[int]


class SessionStatusBody(TypedDict):
    """A session's new status and why; `previous` is the status before, `owner` the instance that runs the
    session.
    """

    status: str
    reason: str
    detail: str
    action: str
    previous: str
    enabled: bool
    owner: str


class StoredMediaBody(TypedDict):
    """The result of fetching the file of the event `event`."""

    event: int | None
    message_id: str | None
    file: dict[str, Any]
    error: str | None


class TelegramAlbumBody(TypedDict):
    """An album: what its messages share, and each of them in `parts`. `text` is the first caption; `source` the
    type of the parts' own events.
    """

    media_group_id: str
    source: str
    text: str
    message_ids: list[str]
    parts: list[TelegramAlbumPart]
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: NotRequired[str]
    sender: NotRequired[TelegramPeer | None]
    sender_chat: NotRequired[TelegramPeer]
    via_bot: NotRequired[TelegramPeer]
    reply_to: NotRequired[str]
    thread_id: NotRequired[str]
    business_connection_id: NotRequired[str]
    forward: NotRequired[TelegramOrigin]


class TelegramAlbumPart(TypedDict):
    """A message of an album; `key` is that of its own event."""

    message_id: str
    kind: str
    text: str
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: NotRequired[str]
    sender: NotRequired[TelegramPeer | None]
    sender_chat: NotRequired[TelegramPeer]
    sender_business_bot: NotRequired[TelegramPeer]
    sender_tag: NotRequired[str]
    sender_boost_count: NotRequired[int]
    receiver_user: NotRequired[TelegramPeer]
    via_bot: NotRequired[TelegramPeer]
    guest_bot_caller_user: NotRequired[TelegramPeer]
    guest_bot_caller_chat: NotRequired[TelegramPeer]
    guest_query_id: NotRequired[str]
    signature: NotRequired[str]
    reply_to: NotRequired[str]
    external_reply: NotRequired[Any]
    quote: NotRequired[Any]
    reply_to_story: NotRequired[Any]
    reply_to_checklist_task: NotRequired[str]
    reply_to_poll_option: NotRequired[str]
    thread_id: NotRequired[str]
    is_topic_message: NotRequired[bool]
    direct_messages_topic: NotRequired[Any]
    business_connection_id: NotRequired[str]
    media_group_id: NotRequired[str]
    effect_id: NotRequired[str]
    ephemeral_message_id: NotRequired[str]
    forward: NotRequired[TelegramOrigin]
    is_automatic_forward: NotRequired[bool]
    has_protected_content: NotRequired[bool]
    has_media_spoiler: NotRequired[bool]
    show_caption_above_media: NotRequired[bool]
    is_paid_post: NotRequired[bool]
    is_from_offline: NotRequired[bool]
    paid_star_count: NotRequired[int]
    suggested_post_info: NotRequired[Any]
    edited_at: NotRequired[int]
    sent_at: NotRequired[int]
    entities: NotRequired[Any]
    caption_entities: NotRequired[Any]
    link_preview_options: NotRequired[Any]
    reply_markup: NotRequired[Any]
    media: NotRequired[TelegramMedia]
    service: NotRequired[bool]
    rich_message: NotRequired[Any]
    paid_media: NotRequired[Any]
    story: NotRequired[Any]
    checklist: NotRequired[Any]
    contact: NotRequired[Any]
    dice: NotRequired[Any]
    game: NotRequired[Any]
    poll: NotRequired[Any]
    venue: NotRequired[Any]
    location: NotRequired[Any]
    invoice: NotRequired[Any]
    giveaway: NotRequired[Any]
    giveaway_winners: NotRequired[Any]
    new_chat_members: NotRequired[Any]
    left_chat_member: NotRequired[Any]
    chat_owner_left: NotRequired[Any]
    chat_owner_changed: NotRequired[Any]
    new_chat_title: NotRequired[Any]
    new_chat_photo: NotRequired[Any]
    delete_chat_photo: NotRequired[Any]
    group_chat_created: NotRequired[Any]
    supergroup_chat_created: NotRequired[Any]
    channel_chat_created: NotRequired[Any]
    message_auto_delete_timer_changed: NotRequired[Any]
    migrate_to_chat_id: NotRequired[Any]
    migrate_from_chat_id: NotRequired[Any]
    pinned_message: NotRequired[Any]
    successful_payment: NotRequired[Any]
    refunded_payment: NotRequired[Any]
    users_shared: NotRequired[Any]
    chat_shared: NotRequired[Any]
    gift: NotRequired[Any]
    unique_gift: NotRequired[Any]
    gift_upgrade_sent: NotRequired[Any]
    connected_website: NotRequired[Any]
    write_access_allowed: NotRequired[Any]
    passport_data: NotRequired[Any]
    proximity_alert_triggered: NotRequired[Any]
    boost_added: NotRequired[Any]
    chat_background_set: NotRequired[Any]
    checklist_tasks_done: NotRequired[Any]
    checklist_tasks_added: NotRequired[Any]
    community_chat_added: NotRequired[Any]
    community_chat_joined: NotRequired[Any]
    community_chat_removed: NotRequired[Any]
    direct_message_price_changed: NotRequired[Any]
    forum_topic_created: NotRequired[Any]
    forum_topic_edited: NotRequired[Any]
    forum_topic_closed: NotRequired[Any]
    forum_topic_reopened: NotRequired[Any]
    general_forum_topic_hidden: NotRequired[Any]
    general_forum_topic_unhidden: NotRequired[Any]
    giveaway_created: NotRequired[Any]
    giveaway_completed: NotRequired[Any]
    managed_bot_created: NotRequired[Any]
    paid_message_price_changed: NotRequired[Any]
    poll_option_added: NotRequired[Any]
    poll_option_deleted: NotRequired[Any]
    suggested_post_approved: NotRequired[Any]
    suggested_post_approval_failed: NotRequired[Any]
    suggested_post_declined: NotRequired[Any]
    suggested_post_paid: NotRequired[Any]
    suggested_post_refunded: NotRequired[Any]
    video_chat_scheduled: NotRequired[Any]
    video_chat_started: NotRequired[Any]
    video_chat_ended: NotRequired[Any]
    video_chat_participants_invited: NotRequired[Any]
    web_app_data: NotRequired[Any]
    reply_to_message: NotRequired[TelegramInnerMessage]
    key: str


class TelegramBoostBody(TypedDict):
    """A chat was boosted."""

    boost_id: NotRequired[str]
    source: NotRequired[Any]
    chat: NotRequired[TelegramPeer]
    sender: NotRequired[TelegramPeer]
    expiration_date: NotRequired[int]


class TelegramBusinessConnectionBody(TypedDict):
    """A business account was connected, changed or disconnected."""

    id: NotRequired[str]
    sender: NotRequired[TelegramPeer]
    user_chat_id: NotRequired[str]
    is_enabled: NotRequired[bool]
    rights: NotRequired[Any]
    can_reply: NotRequired[bool]


class TelegramCallbackQueryBody(TypedDict):
    """A button was pressed: pass `id` to the answer; `data` is the button's data, `message` the message with the
    button.
    """

    id: NotRequired[str]
    sender: NotRequired[TelegramPeer]
    data: NotRequired[str]
    message_id: NotRequired[str]
    inline_message_id: NotRequired[str]
    chat_instance: NotRequired[str]
    game_short_name: NotRequired[str]
    chat: NotRequired[TelegramPeer]
    message: NotRequired[TelegramInnerMessage]


class TelegramChosenResultBody(TypedDict):
    """An inline result was chosen."""

    sender: NotRequired[TelegramPeer]
    result_id: NotRequired[str]
    query: NotRequired[str]
    inline_message_id: NotRequired[str]
    location: NotRequired[Any]


class TelegramDeletionBody(TypedDict):
    """Messages that were deleted."""

    message_ids: NotRequired[list[str]]
    business_connection_id: NotRequired[str]
    chat: NotRequired[TelegramPeer]


class TelegramFile(TypedDict):
    """A file as the Bot API describes it."""

    file_id: NotRequired[str]
    unique_id: NotRequired[str]
    filename: NotRequired[str]
    mime_type: NotRequired[str]
    size: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    length: NotRequired[int]
    duration: NotRequired[int]
    emoji: NotRequired[str]
    set_name: NotRequired[str]
    sticker_type: NotRequired[str]
    is_animated: NotRequired[bool]
    is_video: NotRequired[bool]
    custom_emoji_id: NotRequired[str]
    start_timestamp: NotRequired[int]
    title: NotRequired[str]
    performer: NotRequired[str]
    needs_repainting: NotRequired[bool]


class TelegramInlineQueryBody(TypedDict):
    """Someone is typing an inline query; pass `id` to the answer."""

    id: NotRequired[str]
    sender: NotRequired[TelegramPeer]
    query: NotRequired[str]
    offset: NotRequired[str]
    chat_type: NotRequired[str]
    location: NotRequired[Any]


class TelegramInnerMessage(TypedDict):
    """A message inside another update: the one replied to, or the one whose button was pressed."""

    message_id: str
    kind: str
    text: str
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: NotRequired[str]
    sender: NotRequired[TelegramPeer | None]
    sender_chat: NotRequired[TelegramPeer]
    sender_business_bot: NotRequired[TelegramPeer]
    sender_tag: NotRequired[str]
    sender_boost_count: NotRequired[int]
    receiver_user: NotRequired[TelegramPeer]
    via_bot: NotRequired[TelegramPeer]
    guest_bot_caller_user: NotRequired[TelegramPeer]
    guest_bot_caller_chat: NotRequired[TelegramPeer]
    guest_query_id: NotRequired[str]
    signature: NotRequired[str]
    reply_to: NotRequired[str]
    external_reply: NotRequired[Any]
    quote: NotRequired[Any]
    reply_to_story: NotRequired[Any]
    reply_to_checklist_task: NotRequired[str]
    reply_to_poll_option: NotRequired[str]
    thread_id: NotRequired[str]
    is_topic_message: NotRequired[bool]
    direct_messages_topic: NotRequired[Any]
    business_connection_id: NotRequired[str]
    media_group_id: NotRequired[str]
    effect_id: NotRequired[str]
    ephemeral_message_id: NotRequired[str]
    forward: NotRequired[TelegramOrigin]
    is_automatic_forward: NotRequired[bool]
    has_protected_content: NotRequired[bool]
    has_media_spoiler: NotRequired[bool]
    show_caption_above_media: NotRequired[bool]
    is_paid_post: NotRequired[bool]
    is_from_offline: NotRequired[bool]
    paid_star_count: NotRequired[int]
    suggested_post_info: NotRequired[Any]
    edited_at: NotRequired[int]
    sent_at: NotRequired[int]
    entities: NotRequired[Any]
    caption_entities: NotRequired[Any]
    link_preview_options: NotRequired[Any]
    reply_markup: NotRequired[Any]
    media: NotRequired[TelegramMedia]
    service: NotRequired[bool]
    rich_message: NotRequired[Any]
    paid_media: NotRequired[Any]
    story: NotRequired[Any]
    checklist: NotRequired[Any]
    contact: NotRequired[Any]
    dice: NotRequired[Any]
    game: NotRequired[Any]
    poll: NotRequired[Any]
    venue: NotRequired[Any]
    location: NotRequired[Any]
    invoice: NotRequired[Any]
    giveaway: NotRequired[Any]
    giveaway_winners: NotRequired[Any]
    new_chat_members: NotRequired[Any]
    left_chat_member: NotRequired[Any]
    chat_owner_left: NotRequired[Any]
    chat_owner_changed: NotRequired[Any]
    new_chat_title: NotRequired[Any]
    new_chat_photo: NotRequired[Any]
    delete_chat_photo: NotRequired[Any]
    group_chat_created: NotRequired[Any]
    supergroup_chat_created: NotRequired[Any]
    channel_chat_created: NotRequired[Any]
    message_auto_delete_timer_changed: NotRequired[Any]
    migrate_to_chat_id: NotRequired[Any]
    migrate_from_chat_id: NotRequired[Any]
    pinned_message: NotRequired[Any]
    successful_payment: NotRequired[Any]
    refunded_payment: NotRequired[Any]
    users_shared: NotRequired[Any]
    chat_shared: NotRequired[Any]
    gift: NotRequired[Any]
    unique_gift: NotRequired[Any]
    gift_upgrade_sent: NotRequired[Any]
    connected_website: NotRequired[Any]
    write_access_allowed: NotRequired[Any]
    passport_data: NotRequired[Any]
    proximity_alert_triggered: NotRequired[Any]
    boost_added: NotRequired[Any]
    chat_background_set: NotRequired[Any]
    checklist_tasks_done: NotRequired[Any]
    checklist_tasks_added: NotRequired[Any]
    community_chat_added: NotRequired[Any]
    community_chat_joined: NotRequired[Any]
    community_chat_removed: NotRequired[Any]
    direct_message_price_changed: NotRequired[Any]
    forum_topic_created: NotRequired[Any]
    forum_topic_edited: NotRequired[Any]
    forum_topic_closed: NotRequired[Any]
    forum_topic_reopened: NotRequired[Any]
    general_forum_topic_hidden: NotRequired[Any]
    general_forum_topic_unhidden: NotRequired[Any]
    giveaway_created: NotRequired[Any]
    giveaway_completed: NotRequired[Any]
    managed_bot_created: NotRequired[Any]
    paid_message_price_changed: NotRequired[Any]
    poll_option_added: NotRequired[Any]
    poll_option_deleted: NotRequired[Any]
    suggested_post_approved: NotRequired[Any]
    suggested_post_approval_failed: NotRequired[Any]
    suggested_post_declined: NotRequired[Any]
    suggested_post_paid: NotRequired[Any]
    suggested_post_refunded: NotRequired[Any]
    video_chat_scheduled: NotRequired[Any]
    video_chat_started: NotRequired[Any]
    video_chat_ended: NotRequired[Any]
    video_chat_participants_invited: NotRequired[Any]
    web_app_data: NotRequired[Any]


class TelegramJoinRequestBody(TypedDict):
    """Someone asks to join."""

    chat: NotRequired[TelegramPeer]
    sender: NotRequired[TelegramPeer]
    user_chat_id: NotRequired[str]
    bio: NotRequired[str]
    invite_link: NotRequired[Any]
    query_id: NotRequired[str]


class TelegramManagedBotBody(TypedDict):
    """A managed bot was created or changed."""

    sender: NotRequired[TelegramPeer]
    bot: NotRequired[TelegramPeer]


class TelegramMedia(TypedDict):
    """A file that can be downloaded; the HTTP API adds its address (`href`). `photo` is the still picture of a
    live photo.
    """

    file_id: NotRequired[str]
    unique_id: NotRequired[str]
    filename: NotRequired[str]
    mime_type: NotRequired[str]
    size: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    length: NotRequired[int]
    duration: NotRequired[int]
    emoji: NotRequired[str]
    set_name: NotRequired[str]
    sticker_type: NotRequired[str]
    is_animated: NotRequired[bool]
    is_video: NotRequired[bool]
    custom_emoji_id: NotRequired[str]
    start_timestamp: NotRequired[int]
    title: NotRequired[str]
    performer: NotRequired[str]
    needs_repainting: NotRequired[bool]
    thumbnail: NotRequired[TelegramFile]
    photo: NotRequired[TelegramFile]
    href: NotRequired[str]


class TelegramMembershipBody(TypedDict):
    """A member's status in a chat now (`new`) and before (`old`), and who changed it (`by`)."""

    old: NotRequired[Any]
    new: NotRequired[Any]
    status: NotRequired[str]
    previous_status: NotRequired[str]
    member: NotRequired[TelegramPeer]
    by: NotRequired[TelegramPeer]
    chat: NotRequired[TelegramPeer]
    invite_link: NotRequired[Any]
    via_join_request: NotRequired[bool]
    via_chat_folder_invite_link: NotRequired[bool]


class TelegramMessageBody(TypedDict):
    """A message. `text` is its text or caption. `kind` is the kind of content, and the field of that name holds
    the Bot API's description of it. `service` marks something that happened in the chat, as opposed to
    something that a person wrote.
    """

    message_id: str
    kind: str
    text: str
    chat_type: str | None
    chat: TelegramPeer | None
    sender_name: NotRequired[str]
    sender: NotRequired[TelegramPeer | None]
    sender_chat: NotRequired[TelegramPeer]
    sender_business_bot: NotRequired[TelegramPeer]
    sender_tag: NotRequired[str]
    sender_boost_count: NotRequired[int]
    receiver_user: NotRequired[TelegramPeer]
    via_bot: NotRequired[TelegramPeer]
    guest_bot_caller_user: NotRequired[TelegramPeer]
    guest_bot_caller_chat: NotRequired[TelegramPeer]
    guest_query_id: NotRequired[str]
    signature: NotRequired[str]
    reply_to: NotRequired[str]
    external_reply: NotRequired[Any]
    quote: NotRequired[Any]
    reply_to_story: NotRequired[Any]
    reply_to_checklist_task: NotRequired[str]
    reply_to_poll_option: NotRequired[str]
    thread_id: NotRequired[str]
    is_topic_message: NotRequired[bool]
    direct_messages_topic: NotRequired[Any]
    business_connection_id: NotRequired[str]
    media_group_id: NotRequired[str]
    effect_id: NotRequired[str]
    ephemeral_message_id: NotRequired[str]
    forward: NotRequired[TelegramOrigin]
    is_automatic_forward: NotRequired[bool]
    has_protected_content: NotRequired[bool]
    has_media_spoiler: NotRequired[bool]
    show_caption_above_media: NotRequired[bool]
    is_paid_post: NotRequired[bool]
    is_from_offline: NotRequired[bool]
    paid_star_count: NotRequired[int]
    suggested_post_info: NotRequired[Any]
    edited_at: NotRequired[int]
    sent_at: NotRequired[int]
    entities: NotRequired[Any]
    caption_entities: NotRequired[Any]
    link_preview_options: NotRequired[Any]
    reply_markup: NotRequired[Any]
    media: NotRequired[TelegramMedia]
    service: NotRequired[bool]
    rich_message: NotRequired[Any]
    paid_media: NotRequired[Any]
    story: NotRequired[Any]
    checklist: NotRequired[Any]
    contact: NotRequired[Any]
    dice: NotRequired[Any]
    game: NotRequired[Any]
    poll: NotRequired[Any]
    venue: NotRequired[Any]
    location: NotRequired[Any]
    invoice: NotRequired[Any]
    giveaway: NotRequired[Any]
    giveaway_winners: NotRequired[Any]
    new_chat_members: NotRequired[Any]
    left_chat_member: NotRequired[Any]
    chat_owner_left: NotRequired[Any]
    chat_owner_changed: NotRequired[Any]
    new_chat_title: NotRequired[Any]
    new_chat_photo: NotRequired[Any]
    delete_chat_photo: NotRequired[Any]
    group_chat_created: NotRequired[Any]
    supergroup_chat_created: NotRequired[Any]
    channel_chat_created: NotRequired[Any]
    message_auto_delete_timer_changed: NotRequired[Any]
    migrate_to_chat_id: NotRequired[Any]
    migrate_from_chat_id: NotRequired[Any]
    pinned_message: NotRequired[Any]
    successful_payment: NotRequired[Any]
    refunded_payment: NotRequired[Any]
    users_shared: NotRequired[Any]
    chat_shared: NotRequired[Any]
    gift: NotRequired[Any]
    unique_gift: NotRequired[Any]
    gift_upgrade_sent: NotRequired[Any]
    connected_website: NotRequired[Any]
    write_access_allowed: NotRequired[Any]
    passport_data: NotRequired[Any]
    proximity_alert_triggered: NotRequired[Any]
    boost_added: NotRequired[Any]
    chat_background_set: NotRequired[Any]
    checklist_tasks_done: NotRequired[Any]
    checklist_tasks_added: NotRequired[Any]
    community_chat_added: NotRequired[Any]
    community_chat_joined: NotRequired[Any]
    community_chat_removed: NotRequired[Any]
    direct_message_price_changed: NotRequired[Any]
    forum_topic_created: NotRequired[Any]
    forum_topic_edited: NotRequired[Any]
    forum_topic_closed: NotRequired[Any]
    forum_topic_reopened: NotRequired[Any]
    general_forum_topic_hidden: NotRequired[Any]
    general_forum_topic_unhidden: NotRequired[Any]
    giveaway_created: NotRequired[Any]
    giveaway_completed: NotRequired[Any]
    managed_bot_created: NotRequired[Any]
    paid_message_price_changed: NotRequired[Any]
    poll_option_added: NotRequired[Any]
    poll_option_deleted: NotRequired[Any]
    suggested_post_approved: NotRequired[Any]
    suggested_post_approval_failed: NotRequired[Any]
    suggested_post_declined: NotRequired[Any]
    suggested_post_paid: NotRequired[Any]
    suggested_post_refunded: NotRequired[Any]
    video_chat_scheduled: NotRequired[Any]
    video_chat_started: NotRequired[Any]
    video_chat_ended: NotRequired[Any]
    video_chat_participants_invited: NotRequired[Any]
    web_app_data: NotRequired[Any]
    reply_to_message: NotRequired[TelegramInnerMessage]


class TelegramOrigin(TypedDict):
    """Where a forwarded message comes from; `date` in seconds since the epoch."""

    type: str
    sender: NotRequired[TelegramPeer]
    sender_name: NotRequired[str]
    chat: NotRequired[TelegramPeer]
    message_id: NotRequired[str]
    signature: NotRequired[str]
    date: NotRequired[int]


class TelegramPeer(TypedDict):
    """A user or a chat."""

    id: str
    name: str
    type: NotRequired[str]
    title: NotRequired[str]
    username: NotRequired[str]
    is_bot: NotRequired[bool]
    is_premium: NotRequired[bool]
    is_forum: NotRequired[bool]
    is_direct_messages: NotRequired[bool]
    language: NotRequired[str]


class TelegramPollAnswerBody(TypedDict):
    """A vote; `sender` is the voter, or a chat (`voter_chat`) that votes anonymously."""

    poll_id: NotRequired[str]
    option_ids: NotRequired[Any]
    option_persistent_ids: NotRequired[Any]
    sender: NotRequired[TelegramPeer]
    voter_chat: NotRequired[TelegramPeer]


class TelegramPollBody(TypedDict):
    """The new state of a poll; `poll` is the whole poll."""

    id: NotRequired[str]
    question: NotRequired[str]
    options: NotRequired[Any]
    total_voter_count: NotRequired[int]
    is_closed: NotRequired[bool]
    poll: NotRequired[Any]


class TelegramPreCheckoutQueryBody(TypedDict):
    """An order needs a final confirmation before it is paid, within ten seconds."""

    id: NotRequired[str]
    sender: NotRequired[TelegramPeer]
    payload: NotRequired[str]
    currency: NotRequired[str]
    total_amount: NotRequired[int]
    shipping_option_id: NotRequired[str]
    order_info: NotRequired[Any]


class TelegramPurchasedMediaBody(TypedDict):
    """Someone bought paid media."""

    sender: NotRequired[TelegramPeer]
    payload: NotRequired[str]


class TelegramReactionBody(TypedDict):
    """Reactions of one person (`sender`) or of a chat that reacts anonymously (`actor_chat`); `emoji` is the
    first one, empty when none are left.
    """

    message_id: NotRequired[str]
    emoji: NotRequired[str]
    old_reaction: NotRequired[Any]
    new_reaction: NotRequired[Any]
    chat: NotRequired[TelegramPeer]
    sender: NotRequired[TelegramPeer]
    actor_chat: NotRequired[TelegramPeer]


class TelegramReactionCountBody(TypedDict):
    """How often each reaction was given."""

    message_id: NotRequired[str]
    reactions: NotRequired[Any]
    chat: NotRequired[TelegramPeer]


class TelegramRemovedBoostBody(TypedDict):
    """A boost was removed."""

    boost_id: NotRequired[str]
    source: NotRequired[Any]
    chat: NotRequired[TelegramPeer]
    sender: NotRequired[TelegramPeer]


class TelegramShippingQueryBody(TypedDict):
    """An order needs shipping options."""

    id: NotRequired[str]
    sender: NotRequired[TelegramPeer]
    payload: NotRequired[str]
    shipping_address: NotRequired[Any]


class TelegramStoppedGenerationBody(TypedDict):
    """A person stopped the generation of the draft `draft_id`."""

    chat: NotRequired[TelegramPeer]
    draft_id: NotRequired[str]
    thread_id: NotRequired[str]


class TelegramSubscriptionBody(TypedDict):
    """A user's subscription to the bot has a new `state`; `payload` is the payload of its invoice."""

    sender: NotRequired[TelegramPeer]
    payload: NotRequired[str]
    state: NotRequired[str]


class WhatsappAccount(TypedDict):
    """An account or a group, with all of its known addresses."""

    id: str | None
    phone: NotRequired[str | None]
    lid: NotRequired[str | None]
    device: NotRequired[int]


class WhatsappHistoryBody(TypedDict):
    """A message from before the device was linked, with its reactions."""

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]
    message_id: str
    kind: NotRequired[str]
    text: NotRequired[str]
    reply_to: NotRequired[str]
    mentions: NotRequired[list[str]]
    forwarded: NotRequired[bool]
    media: NotRequired[WhatsappMedia]
    location: NotRequired[Any]
    contacts: NotRequired[Any]
    poll: NotRequired[Any]
    edit_id: NotRequired[str]
    encrypted: NotRequired[bool]
    undecryptable: NotRequired[str]
    view_once: NotRequired[bool]
    ephemeral: NotRequired[bool]
    mention_all: NotRequired[bool]
    reply: NotRequired[Any]
    quote: NotRequired[Any]
    target: NotRequired[str]
    reason: NotRequired[str]
    starred: NotRequired[bool]
    reactions: NotRequired[Any]


class WhatsappHistoryChatBody(TypedDict):
    """A chat as it was on the phone; `chat.name` is its name, if it has one."""

    chat_type: NotRequired[str]
    chat: NotRequired[Any]
    unread: NotRequired[int]
    receipt: NotRequired[str]


class WhatsappMedia(TypedDict):
    """A file that can be downloaded; the HTTP API adds `href`, the address to download it from."""

    mime_type: NotRequired[str | None]
    size: NotRequired[int | None]
    filename: NotRequired[str]
    seconds: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    href: NotRequired[str]


class WhatsappMessageBody(TypedDict):
    """A message: `text` is its text or caption; a `kind` other than text has a field of its own."""

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]
    message_id: str
    kind: NotRequired[str]
    text: NotRequired[str]
    reply_to: NotRequired[str]
    mentions: NotRequired[list[str]]
    forwarded: NotRequired[bool]
    media: NotRequired[WhatsappMedia]
    location: NotRequired[Any]
    contacts: NotRequired[Any]
    poll: NotRequired[Any]
    edit_id: NotRequired[str]
    encrypted: NotRequired[bool]
    undecryptable: NotRequired[str]
    view_once: NotRequired[bool]
    ephemeral: NotRequired[bool]
    mention_all: NotRequired[bool]
    reply: NotRequired[Any]
    quote: NotRequired[Any]
    target: NotRequired[str]
    reason: NotRequired[str]


class WhatsappPlace(TypedDict):
    """The chat in which something happened, and who did it."""

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]


class WhatsappPresenceBody(TypedDict):
    """`state`: online or offline; typing, recording or paused in a chat."""

    state: str
    sender: NotRequired[Any]
    last_seen: NotRequired[float | None]


class WhatsappReactionBody(TypedDict):
    """A reaction to the message `message_id`; an empty `emoji` removes it."""

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]
    message_id: str
    emoji: str
    reaction_id: NotRequired[str]


class WhatsappReceiptBody(TypedDict):
    """Someone received (`delivered`), read or played messages; `read_self`: another device of this account read
    them.
    """

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]
    receipt: str
    message_ids: list[str]


class WhatsappVoteBody(TypedDict):
    """A vote in the poll `message_id`; `options` are the chosen answers, null when they cannot be read."""

    chat_type: NotRequired[str]
    chat: NotRequired[WhatsappAccount]
    sender: NotRequired[WhatsappAccount]
    from_me: NotRequired[bool]
    sender_name: NotRequired[str]
    message_id: str
    vote_id: NotRequired[str]
    options: NotRequired[list[str] | None]
    option_hashes: NotRequired[list[str] | None]


@dataclass(frozen=True, slots=True)
class Album(Event):
    """`album` (telegram): The messages of a media group, after each has been an event of its own (setting
    `gather_albums`).
    """

    body: TelegramAlbumBody


@dataclass(frozen=True, slots=True)
class BusinessConnection(Event):
    """`business_connection` (telegram): An update of the kind `business_connection`."""

    body: TelegramBusinessConnectionBody


@dataclass(frozen=True, slots=True)
class BusinessMessage(Event):
    """`business_message` (telegram): A message of a connected business account."""

    body: TelegramMessageBody


@dataclass(frozen=True, slots=True)
class Call(Event):
    """`call` (whatsapp): Someone is calling, or a call ended."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallbackQuery(Event):
    """`callback_query` (telegram): A button below a message was pressed; it needs an answer."""

    body: TelegramCallbackQueryBody


@dataclass(frozen=True, slots=True)
class ChannelPost(Event):
    """`channel_post` (telegram): A post in a channel."""

    body: TelegramMessageBody


@dataclass(frozen=True, slots=True)
class ChatBoost(Event):
    """`chat_boost` (telegram): An update of the kind `chat_boost`."""

    body: TelegramBoostBody


@dataclass(frozen=True, slots=True)
class ChatJoinRequest(Event):
    """`chat_join_request` (telegram): An update of the kind `chat_join_request`."""

    body: TelegramJoinRequestBody


@dataclass(frozen=True, slots=True)
class ChatMember(Event):
    """`chat_member` (telegram): An update of the kind `chat_member`."""

    body: TelegramMembershipBody


@dataclass(frozen=True, slots=True)
class ChatMigrated(Event):
    """`chat_migrated` (telegram): A group became a supergroup, with a new id."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChatPresence(Event):
    """`chat_presence` (whatsapp): Someone started or stopped typing or recording."""

    body: WhatsappPresenceBody


@dataclass(frozen=True, slots=True)
class ChosenInlineResult(Event):
    """`chosen_inline_result` (telegram): An update of the kind `chosen_inline_result`."""

    body: TelegramChosenResultBody


@dataclass(frozen=True, slots=True)
class DeletedBusinessMessages(Event):
    """`deleted_business_messages` (telegram): Messages of a connected business account were deleted."""

    body: TelegramDeletionBody


@dataclass(frozen=True, slots=True)
class DeletedMessage(Event):
    """`deleted_message` (whatsapp): A message was deleted for everyone."""

    body: WhatsappMessageBody


@dataclass(frozen=True, slots=True)
class EditedBusinessMessage(Event):
    """`edited_business_message` (telegram): A message of a connected business account was edited; the body holds
    its new content.
    """

    body: TelegramMessageBody


@dataclass(frozen=True, slots=True)
class EditedChannelPost(Event):
    """`edited_channel_post` (telegram): A post in a channel was edited; the body holds its new content."""

    body: TelegramMessageBody


@dataclass(frozen=True, slots=True)
class EditedMessage(Event):
    """`edited_message` (telegram, whatsapp): A message was edited; the body holds its new content."""

    body: TelegramMessageBody | WhatsappMessageBody


@dataclass(frozen=True, slots=True)
class EventResponse(Event):
    """`event_response` (whatsapp): Someone answered an invitation to an event (`answer`, `guests`)."""

    body: WhatsappPlace


@dataclass(frozen=True, slots=True)
class GroupChanged(Event):
    """`group_changed` (whatsapp): A group's settings or members changed."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GroupJoined(Event):
    """`group_joined` (whatsapp): The account joined a group, or was added to one."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GuestMessage(Event):
    """`guest_message` (telegram): A message from a chat in which the bot is a guest."""

    body: TelegramMessageBody


@dataclass(frozen=True, slots=True)
class HistoryChat(Event):
    """`history.chat` (whatsapp): A chat from before the device was linked."""

    body: WhatsappHistoryChatBody


@dataclass(frozen=True, slots=True)
class HistoryMessage(Event):
    """`history.message` (whatsapp): A message from before the device was linked."""

    body: WhatsappHistoryBody


@dataclass(frozen=True, slots=True)
class InlineQuery(Event):
    """`inline_query` (telegram): Someone is typing an inline query; it needs an answer."""

    body: TelegramInlineQueryBody


@dataclass(frozen=True, slots=True)
class ManagedBot(Event):
    """`managed_bot` (telegram): An update of the kind `managed_bot`."""

    body: TelegramManagedBotBody


@dataclass(frozen=True, slots=True)
class MediaFailed(Event):
    """`media.failed`: The file of a message could not be fetched."""

    body: StoredMediaBody


@dataclass(frozen=True, slots=True)
class MediaStored(Event):
    """`media.stored`: The file of a message is stored here."""

    body: StoredMediaBody


@dataclass(frozen=True, slots=True)
class Message(Event):
    """`message` (telegram, whatsapp): A message to the bot, or in a group that the bot is in. A message,
    including one sent from another device of the account.
    """

    body: TelegramMessageBody | WhatsappMessageBody


@dataclass(frozen=True, slots=True)
class MessageStatus(Event):
    """`message.status`: A send came to its end, or was delivered or read."""

    body: MessageStatusBody


@dataclass(frozen=True, slots=True)
class MessageReaction(Event):
    """`message_reaction` (telegram): Someone changed their reactions to a message."""

    body: TelegramReactionBody


@dataclass(frozen=True, slots=True)
class MessageReactionCount(Event):
    """`message_reaction_count` (telegram): The numbers of anonymous reactions to a message changed."""

    body: TelegramReactionCountBody


@dataclass(frozen=True, slots=True)
class MyChatMember(Event):
    """`my_chat_member` (telegram): An update of the kind `my_chat_member`."""

    body: TelegramMembershipBody


@dataclass(frozen=True, slots=True)
class PictureChanged(Event):
    """`picture_changed` (whatsapp): The picture of an account or a group changed."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Poll(Event):
    """`poll` (telegram): An update of the kind `poll`."""

    body: TelegramPollBody


@dataclass(frozen=True, slots=True)
class PollAnswer(Event):
    """`poll_answer` (telegram): An update of the kind `poll_answer`."""

    body: TelegramPollAnswerBody


@dataclass(frozen=True, slots=True)
class PollVote(Event):
    """`poll_vote` (whatsapp): A vote in a poll."""

    body: WhatsappVoteBody


@dataclass(frozen=True, slots=True)
class PreCheckoutQuery(Event):
    """`pre_checkout_query` (telegram): An order needs a final confirmation before it is paid."""

    body: TelegramPreCheckoutQueryBody


@dataclass(frozen=True, slots=True)
class Presence(Event):
    """`presence` (whatsapp): Someone went online or offline."""

    body: WhatsappPresenceBody


@dataclass(frozen=True, slots=True)
class PurchasedPaidMedia(Event):
    """`purchased_paid_media` (telegram): An update of the kind `purchased_paid_media`."""

    body: TelegramPurchasedMediaBody


@dataclass(frozen=True, slots=True)
class Reaction(Event):
    """`reaction` (whatsapp): A reaction to a message."""

    body: WhatsappReactionBody


@dataclass(frozen=True, slots=True)
class Receipt(Event):
    """`receipt` (whatsapp): Messages were delivered, read or played."""

    body: WhatsappReceiptBody


@dataclass(frozen=True, slots=True)
class RemovedChatBoost(Event):
    """`removed_chat_boost` (telegram): An update of the kind `removed_chat_boost`."""

    body: TelegramRemovedBoostBody


@dataclass(frozen=True, slots=True)
class ServiceMessage(Event):
    """`service_message` (whatsapp): A notice in a chat, such as a change of its settings."""

    body: WhatsappMessageBody


@dataclass(frozen=True, slots=True)
class SessionPairingCode(Event):
    """`session.pairing_code`: A person has to type this code into the phone."""

    body: PairingBody


@dataclass(frozen=True, slots=True)
class SessionQr(Event):
    """`session.qr`: A person has to scan this code."""

    body: PairingBody


@dataclass(frozen=True, slots=True)
class SessionStatus(Event):
    """`session.status`: The status of a session, or the reason for it, is another one."""

    body: SessionStatusBody


@dataclass(frozen=True, slots=True)
class ShippingQuery(Event):
    """`shipping_query` (telegram): An order needs a shipping price."""

    body: TelegramShippingQueryBody


@dataclass(frozen=True, slots=True)
class StoppedMessageGeneration(Event):
    """`stopped_message_generation` (telegram): An update of the kind `stopped_message_generation`."""

    body: TelegramStoppedGenerationBody


@dataclass(frozen=True, slots=True)
class Subscription(Event):
    """`subscription` (telegram): An update of the kind `subscription`."""

    body: TelegramSubscriptionBody


@dataclass(frozen=True, slots=True)
class UndecryptableMessage(Event):
    """`undecryptable_message` (whatsapp): A message that could not be read."""

    body: WhatsappMessageBody


@dataclass(frozen=True, slots=True)
class Unknown(Event):
    """`unknown` (telegram, whatsapp): An update that this version cannot read; `raw` holds it. A report that this
    version cannot read.
    """

    body: dict[str, Any]


EVENTS: dict[str, type[Event]] = {
    "album": Album,
    "business_connection": BusinessConnection,
    "business_message": BusinessMessage,
    "call": Call,
    "callback_query": CallbackQuery,
    "channel_post": ChannelPost,
    "chat_boost": ChatBoost,
    "chat_join_request": ChatJoinRequest,
    "chat_member": ChatMember,
    "chat_migrated": ChatMigrated,
    "chat_presence": ChatPresence,
    "chosen_inline_result": ChosenInlineResult,
    "deleted_business_messages": DeletedBusinessMessages,
    "deleted_message": DeletedMessage,
    "edited_business_message": EditedBusinessMessage,
    "edited_channel_post": EditedChannelPost,
    "edited_message": EditedMessage,
    "event_response": EventResponse,
    "group_changed": GroupChanged,
    "group_joined": GroupJoined,
    "guest_message": GuestMessage,
    "history.chat": HistoryChat,
    "history.message": HistoryMessage,
    "inline_query": InlineQuery,
    "managed_bot": ManagedBot,
    "media.failed": MediaFailed,
    "media.stored": MediaStored,
    "message": Message,
    "message.status": MessageStatus,
    "message_reaction": MessageReaction,
    "message_reaction_count": MessageReactionCount,
    "my_chat_member": MyChatMember,
    "picture_changed": PictureChanged,
    "poll": Poll,
    "poll_answer": PollAnswer,
    "poll_vote": PollVote,
    "pre_checkout_query": PreCheckoutQuery,
    "presence": Presence,
    "purchased_paid_media": PurchasedPaidMedia,
    "reaction": Reaction,
    "receipt": Receipt,
    "removed_chat_boost": RemovedChatBoost,
    "service_message": ServiceMessage,
    "session.pairing_code": SessionPairingCode,
    "session.qr": SessionQr,
    "session.status": SessionStatus,
    "shipping_query": ShippingQuery,
    "stopped_message_generation": StoppedMessageGeneration,
    "subscription": Subscription,
    "undecryptable_message": UndecryptableMessage,
    "unknown": Unknown,
}
"""The class of each type."""


def event_of(document: Mapping[str, Any]) -> Event:
    """From JSON: of the class of its type, or a plain `Event`. Raises ValueError for what is not an event."""
    kind = document.get("type") if isinstance(document, Mapping) else None
    return (EVENTS.get(kind, Event) if isinstance(kind, str) else Event).of(document)
