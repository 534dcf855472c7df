"""The kinds of updates that the server knows."""

from __future__ import annotations

MESSAGE_KINDS = frozenset(
    {
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "business_message",
        "edited_business_message",
        "guest_message",
    }
)
KNOWN_KINDS = MESSAGE_KINDS | {
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "custom_event",
    "custom_query",
    "shipping_query",
    "pre_checkout_query",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "message_reaction",
    "message_reaction_count",
    "business_connection",
    "deleted_business_messages",
    "purchased_paid_media",
    "managed_bot",
    "subscription",
    "stopped_message_generation",
}
DEFAULT_KINDS = KNOWN_KINDS - {"chat_member", "message_reaction", "message_reaction_count"}
