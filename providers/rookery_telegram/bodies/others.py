"""The bodies of all updates that are not messages."""

from __future__ import annotations

from typing import Any

import msgspec

from .messages import TelegramInnerMessage
from .values import UNSET, TelegramPeer


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
    "A member's status in a chat now (`new`) and before (`old`), and who changed it (`by`).",
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
OTHER_BODIES: dict[str, Any] = {
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
        "Deletion", "Messages that were deleted.", message_ids=list[str], business_connection_id=str, chat=TelegramPeer
    ),
    "message_reaction": _body(
        "Reaction",
        "Reactions of one person (`sender`) or of a chat that reacts anonymously (`actor_chat`); `emoji` is the first one, "
        "empty when none are left.",
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
        "Someone is typing an inline query; pass `id` to the answer.",
        **_QUERY,
        query=str,
        offset=str,
        chat_type=str,
        location=Any,
    ),
    "chosen_inline_result": _body(
        "ChosenResult",
        "An inline result was chosen.",
        sender=TelegramPeer,
        result_id=str,
        query=str,
        inline_message_id=str,
        location=Any,
    ),
    "callback_query": _body(
        "CallbackQuery",
        "A button was pressed: pass `id` to the answer; `data` is the button's data, `message` the message with the button.",
        **_QUERY,
        data=str,
        message_id=str,
        inline_message_id=str,
        chat_instance=str,
        game_short_name=str,
        chat=TelegramPeer,
        message=TelegramInnerMessage,
    ),
    "shipping_query": _body(
        "ShippingQuery", "An order needs shipping options.", **_QUERY, payload=str, shipping_address=Any
    ),
    "pre_checkout_query": _body(
        "PreCheckoutQuery",
        "An order needs a final confirmation before it is paid, within ten seconds.",
        **_QUERY,
        payload=str,
        currency=str,
        total_amount=int,
        shipping_option_id=str,
        order_info=Any,
    ),
    "purchased_paid_media": _body("PurchasedMedia", "Someone bought paid media.", sender=TelegramPeer, payload=str),
    "poll": _body(
        "Poll",
        "The new state of a poll; `poll` is the whole poll.",
        id=str,
        question=str,
        options=Any,
        total_voter_count=int,
        is_closed=bool,
        poll=Any,
    ),
    "poll_answer": _body(
        "PollAnswer",
        "A vote; `sender` is the voter, or a chat (`voter_chat`) that votes anonymously.",
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
        "Someone asks to join.",
        chat=TelegramPeer,
        sender=TelegramPeer,
        user_chat_id=str,
        bio=str,
        invite_link=Any,
        query_id=str,
    ),
    "chat_boost": _body("Boost", "A chat was boosted.", **_BOOST, expiration_date=int),
    "removed_chat_boost": _body("RemovedBoost", "A boost was removed.", **_BOOST),
    "subscription": _body(
        "Subscription",
        "A user's subscription to the bot has a new `state`; `payload` is the payload of its invoice.",
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
    "managed_bot": _body("ManagedBot", "A managed bot was created or changed.", sender=TelegramPeer, bot=TelegramPeer),
}
"""By kind of update."""
