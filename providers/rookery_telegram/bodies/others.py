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
        sender=TelegramPeer,
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
        message=TelegramInnerMessage,
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
    "purchased_paid_media": _body("PurchasedMedia", "Paid media were bought.", sender=TelegramPeer, payload=str),
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
"""By kind of update."""
