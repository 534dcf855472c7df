"""Chats and accounts with all of their known addresses."""

from __future__ import annotations

from typing import Any

from ..addresses import GROUP, LID, USER, bare, forms
from .reporter import Reporter

BROADCAST, NEWSLETTER = "broadcast", "newsletter"
STATUS = f"status@{BROADCAST}"
KINDS = {GROUP: "group", BROADCAST: "broadcast", NEWSLETTER: "channel"}


def account(client: Reporter, *names: Any) -> dict[str, Any]:
    """An account with all of its known addresses. Its `id` is the phone number if known, because people recognise that."""
    phone, lid = client.both_forms(*forms(*names))
    return {"id": phone or lid or None, "phone": phone or None, "lid": lid or None}


def is_private(source: Any) -> bool:
    """True for a chat of two people."""
    return not source.IsGroup and source.Chat.Server in (USER, LID)


def places(client: Reporter, source: Any) -> tuple[str, str | None, dict[str, Any]]:
    """The chat, the sender, and the fields of a body that describe both with all of their known addresses."""
    own = (client.library.me.JID, client.library.me.LID) if source.IsFromMe and client.library.me else ()
    sender = account(client, source.Sender, source.SenderAlt, *own)
    if not is_private(source):
        chat: dict[str, Any] = {"id": bare(source.Chat)}
    elif source.IsFromMe:
        chat = account(client, source.Chat, source.RecipientAlt)
    else:
        chat = account(client, source.Chat, source.Sender, source.SenderAlt)
    kind = "status" if chat["id"] == STATUS else KINDS.get(source.Chat.Server, "private")
    if kind == "channel" and sender["id"] is None:
        sender["id"] = chat["id"]  # a channel post names no person
    place = {
        "chat_type": kind,
        "chat": chat,
        "sender": sender | {"device": source.Sender.Device},
        "from_me": source.IsFromMe,
    }
    return str(chat["id"] or ""), sender["id"], place


def key_of(source: Any, id: str) -> str:
    """The key of a message. It uses the addresses that the server sent, so that a message that arrives twice has
    the same key, whatever the library has learned since. It includes the sender, because senders choose the ids."""
    if not is_private(source):
        author = "" if source.Chat.Server == NEWSLETTER or not bare(source.Sender) else f"/{bare(source.Sender)}"
        return f"{bare(source.Chat)}{author}/{id}"
    phone, lid = forms(source.Chat, *((source.RecipientAlt,) if source.IsFromMe else (source.Sender, source.SenderAlt)))
    return f"{phone or lid}/me/{id}" if source.IsFromMe else f"{phone or lid}/{id}"
