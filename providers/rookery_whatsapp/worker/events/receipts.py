"""Receipts, and other people's presence."""

from __future__ import annotations

import time
from typing import Any

from ..addresses import text_of
from . import encoding
from .found import found
from .places import account, key_of, places
from .reporter import Reporter

RECEIPTS = {
    1: "delivered",
    9: "delivered",  # "inactive": delivered to a device that is not in use
    4: "read",
    5: "read_self",
    6: "played",
    7: "played_self",
    8: "played_self",  # neonize 0.5.2 maps whatsmeow's "played-self" to this number
}
"""Receipts that matter to people, by neonize's number; the others serve only the protocol."""


def on_receipt(client: Reporter, event: Any) -> None:
    """Someone received or read messages."""
    kind = RECEIPTS.get(event.Type)
    if kind is None:
        return
    ids = list(event.MessageIDs)
    source = event.MessageSource
    chat, sender, place = places(client, source)
    about = encoding.digest(" ".join(ids).encode("utf-8", "replace"))
    key = f"{key_of(source, 'receipt')}:{kind}:{text_of(source.Sender)}:{about}"
    body = place | {"receipt": kind, "message_ids": ids}
    client.store(found("receipt", key, float(event.Timestamp), chat, sender, body, event))


def on_chat_presence(client: Reporter, event: Any) -> None:
    """Someone started or stopped typing."""
    chat, sender, place = places(client, event.MessageSource)
    state = "paused" if event.State == 2 else "recording" if event.Media == 2 else "typing"
    now = time.time()
    key = f"{chat}/chat_presence:{sender}:{now:.6f}"
    client.store(found("chat_presence", key, now, chat, sender, place | {"state": state}, event))


def on_presence(client: Reporter, event: Any) -> None:
    """Someone went online or offline."""
    who, now = account(client, event.From), time.time()
    sender = str(who["id"])
    body = {
        "sender": who,
        "state": "offline" if event.Unavailable else "online",
        "last_seen": max(event.LastSeen, 0) or None,
    }
    client.store(found("presence", f"{sender}/presence:{now:.6f}", now, sender, sender, body, event))
