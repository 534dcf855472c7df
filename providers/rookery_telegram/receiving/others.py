"""The bodies of all updates other than messages. Pure.

Fields are those of the Bot API's objects (core.telegram.org/bots/api, 10.3).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from .messages import message_body
from .peers import Malformed, peer, peer_id, text_of


class Facts(msgspec.Struct, frozen=True):
    """The fields of an update's event: `time` in seconds since the epoch, None when the update has no time."""

    body: dict[str, Any]
    chat: str | None = None
    sender: str | None = None
    time: Any = None


def facts_of(kind: str, value: dict[str, Any]) -> Facts:
    """The facts of an update whose kind is in `OTHER_KINDS`. Raises Malformed."""
    return _KINDS[kind](value)


def _only(value: dict[str, Any], *names: str, **renamed: str) -> dict[str, Any]:
    """The fields that are present; `ours="theirs"` renames one."""
    found = {name: value[name] for name in names if value.get(name) is not None}
    return found | {ours: value[theirs] for ours, theirs in renamed.items() if value.get(theirs) is not None}


def _with_peers(value: dict[str, Any], body: dict[str, Any], **fields: str) -> dict[str, Any]:
    for ours, theirs in fields.items():
        if (shown := peer(value.get(theirs))) is not None:
            body[ours] = shown
    return body


def _message_id(value: dict[str, Any]) -> dict[str, str]:
    id = value.get("message_id")
    return {"message_id": str(id)} if type(id) is int else {}


def _query(value: dict[str, Any], body: dict[str, Any], *, chat: str | None = None) -> Facts:
    body = _with_peers(value, _only(value, "id") | body, sender="from")
    return Facts(body, chat, peer_id(value.get("from")))


def _callback(value: dict[str, Any]) -> Facts:
    body = _only(value, "data", "inline_message_id", "chat_instance", "game_short_name")
    chat: str | None = None
    message = value.get("message")
    if isinstance(message, dict):
        body |= _message_id(message)
        chat = peer_id(message.get("chat"))
        if (shown := peer(message.get("chat"))) is not None:
            body["chat"] = shown
        with suppress(Malformed):
            if message.get("date") != 0:  # otherwise the message is too old to be read, and only its id is present
                body["message"] = message_body(message, inner=True)
    return _query(value, body, chat=chat)


def _inline_query(value: dict[str, Any]) -> Facts:
    return _query(value, _only(value, "query", "offset", "chat_type", "location"))


def _chosen(value: dict[str, Any]) -> Facts:
    return _query(value, _only(value, "result_id", "query", "inline_message_id", "location"))


def _shipping(value: dict[str, Any]) -> Facts:
    return _query(value, _only(value, "shipping_address", payload="invoice_payload"))


def _checkout(value: dict[str, Any]) -> Facts:
    names = ("currency", "total_amount", "shipping_option_id", "order_info")
    return _query(value, _only(value, *names, payload="invoice_payload"))


def _paid_media(value: dict[str, Any]) -> Facts:
    return _query(value, _only(value, payload="paid_media_payload"))


def _poll(value: dict[str, Any]) -> Facts:
    return Facts(_only(value, "id", "question", "options", "total_voter_count", "is_closed") | {"poll": value})


def _poll_answer(value: dict[str, Any]) -> Facts:
    body = _only(value, "poll_id", "option_ids", "option_persistent_ids")
    _with_peers(value, body, sender="user", voter_chat="voter_chat")
    # An anonymous voter comes with a stand-in user, for programs that do not know that chats can vote.
    voter = peer_id(value.get("voter_chat")) or peer_id(value.get("user"))
    if "voter_chat" in body:
        body["sender"] = body["voter_chat"]
    return Facts(body, None, voter)


def _reaction(value: dict[str, Any]) -> Facts:
    new = value.get("new_reaction")
    body = _message_id(value) | _only(value, "old_reaction", "new_reaction")
    emojis = [one.get("emoji") for one in new if isinstance(one, dict)] if isinstance(new, list) else []
    body["emoji"] = next((emoji for emoji in emojis if isinstance(emoji, str)), "")
    _with_peers(value, body, chat="chat", sender="user", actor_chat="actor_chat")
    sender = peer_id(value.get("user")) or peer_id(value.get("actor_chat"))
    return Facts(body, peer_id(value.get("chat")), sender, value.get("date"))


def _reaction_count(value: dict[str, Any]) -> Facts:
    body = _with_peers(value, _message_id(value) | _only(value, "reactions"), chat="chat")
    return Facts(body, peer_id(value.get("chat")), None, value.get("date"))


def _member(value: dict[str, Any]) -> Facts:
    body = _only(value, "invite_link", "via_join_request", "via_chat_folder_invite_link")
    body |= {"old": value.get("old_chat_member"), "new": value.get("new_chat_member")}
    for ours, member in (("previous_status", body["old"]), ("status", body["new"])):
        if isinstance(member, dict):
            if (status := text_of(member.get("status"))) is not None:
                body[ours] = status
            if (shown := peer(member.get("user"))) is not None:
                body["member"] = shown
    _with_peers(value, body, chat="chat", by="from")
    return Facts(body, peer_id(value.get("chat")), peer_id(value.get("from")), value.get("date"))


def _join_request(value: dict[str, Any]) -> Facts:
    body = _only(value, "bio", "invite_link", "query_id")
    if type(id := value.get("user_chat_id")) is int:
        body["user_chat_id"] = str(id)
    _with_peers(value, body, chat="chat", sender="from")
    return Facts(body, peer_id(value.get("chat")), peer_id(value.get("from")), value.get("date"))


def _boost(value: dict[str, Any]) -> Facts:
    boost = value.get("boost")
    boost = boost if isinstance(boost, dict) else {}
    return _boosted(value, boost, _only(boost, "expiration_date"), boost.get("add_date"))


def _removed_boost(value: dict[str, Any]) -> Facts:
    return _boosted(value, value, {}, value.get("remove_date"))


def _boosted(value: dict[str, Any], boost: dict[str, Any], body: dict[str, Any], time: Any) -> Facts:
    body |= _only(boost, "boost_id", "source")
    source = boost.get("source")
    source = source if isinstance(source, dict) else {}
    _with_peers(source, body, sender="user")
    _with_peers(value, body, chat="chat")
    return Facts(body, peer_id(value.get("chat")), peer_id(source.get("user")), time)


def _business_connection(value: dict[str, Any]) -> Facts:
    body = _only(value, "id", "is_enabled", "rights", "can_reply")
    if type(id := value.get("user_chat_id")) is int:
        body["user_chat_id"] = str(id)
    _with_peers(value, body, sender="user")
    return Facts(body, None, peer_id(value.get("user")), value.get("date"))


def _deleted(value: dict[str, Any]) -> Facts:
    ids = value.get("message_ids")
    body = _only(value, "business_connection_id")
    body["message_ids"] = [str(id) for id in ids if type(id) is int] if isinstance(ids, list) else []
    _with_peers(value, body, chat="chat")
    return Facts(body, peer_id(value.get("chat")))


def _managed_bot(value: dict[str, Any]) -> Facts:
    return Facts(_with_peers(value, {}, sender="user", bot="bot"), None, peer_id(value.get("user")))


def _subscription(value: dict[str, Any]) -> Facts:
    body = _with_peers(value, _only(value, "state", payload="invoice_payload"), sender="user")
    return Facts(body, None, peer_id(value.get("user")))


def _stopped(value: dict[str, Any]) -> Facts:
    names = {"draft_id": "draft_id", "message_thread_id": "thread_id"}
    body = {ours: str(value[theirs]) for theirs, ours in names.items() if type(value.get(theirs)) is int}
    return Facts(_with_peers(value, body, chat="chat"), peer_id(value.get("chat")))


_KINDS: dict[str, Callable[[dict[str, Any]], Facts]] = {
    "business_connection": _business_connection,
    "deleted_business_messages": _deleted,
    "message_reaction": _reaction,
    "message_reaction_count": _reaction_count,
    "inline_query": _inline_query,
    "chosen_inline_result": _chosen,
    "callback_query": _callback,
    "shipping_query": _shipping,
    "pre_checkout_query": _checkout,
    "purchased_paid_media": _paid_media,
    "poll": _poll,
    "poll_answer": _poll_answer,
    "my_chat_member": _member,
    "chat_member": _member,
    "chat_join_request": _join_request,
    "chat_boost": _boost,
    "removed_chat_boost": _removed_boost,
    "managed_bot": _managed_bot,
    "subscription": _subscription,
    "stopped_message_generation": _stopped,
}
OTHER_KINDS = tuple(_KINDS)
"""The kinds of updates that are not messages."""
