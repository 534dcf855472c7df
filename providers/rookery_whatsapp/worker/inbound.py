"""What the library reports, as events to store and notices about the connection."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from neonize.proto import Neonize_pb2 as reports  # type: ignore[import-untyped]

from . import contents
from .addresses import GROUP, LID, USER, bare, forms, text_of

RECEIPTS = {
    1: "delivered",
    9: "delivered",  # "inactive": delivered to a device that nobody looks at
    4: "read",
    5: "read_self",
    6: "played",
    8: "server_error",
}
"""neonize's numbers of receipts that mean something to a person; the others are the protocol's own business."""

REASONS = {1: 400, 2: 401, 3: 402, 4: 403, 5: 406, 6: 405, 7: 409, 8: 500, 9: 501, 10: 503}
"""neonize's numbers of WhatsApp's own reasons for refusing a login."""


class Found(NamedTuple):
    """The fields of `rookery.model.NewEvent`."""

    type: str
    key: str
    time: float
    chat: str | None
    sender: str | None
    body: bytes
    raw: bytes


class Client(Protocol):
    """What a handler needs of the client whose library reports."""

    library: Any

    def both_forms(self, phone: str, lid: str) -> tuple[str, str]:
        """The account's (phone, lid) addresses, as far as the library knows the one that is missing."""

    def read_vote(self, event: Any) -> list[str] | None:
        """The SHA-256 (hex) of each chosen option; None when the poll's secret is not known here."""

    def hang_up_without_keys(self) -> None:
        """Disconnect, and say so, when the library cannot read its store."""

    def store(self, found: Found) -> None:
        """Hand an event to the engine and wait until it is durable."""

    def tell(self, kind: str, detail: dict[str, Any]) -> None:
        """Tell the engine something about the connection."""


def _encode(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _account(client: Client, *names: Any) -> dict[str, str | None]:
    """An account in all the forms that are known. A phone number is preferred: it is what people know."""
    phone, lid = client.both_forms(*forms(*names))
    return {"id": phone or lid, "phone": phone or None, "lid": lid or None}


def _places(client: Client, source: Any) -> tuple[str, str, dict[str, Any]]:
    """Chat, sender, and both in all the forms that are known."""
    own = (client.library.me.JID, client.library.me.LID) if source.IsFromMe else ()
    sender = _account(client, source.Sender, source.SenderAlt, *own)
    if source.IsGroup or source.Chat.Server not in (USER, LID):
        chat: dict[str, Any] = {"id": bare(source.Chat)}
    elif source.IsFromMe:
        chat = _account(client, source.Chat, source.RecipientAlt)
    else:
        chat = _account(client, source.Chat, source.Sender, source.SenderAlt)
    kind = {GROUP: "group", "broadcast": "broadcast", "newsletter": "channel"}.get(source.Chat.Server, "private")
    place = {
        "chat_type": kind,
        "chat": chat,
        "sender": sender | {"device": source.Sender.Device},
        "from_me": source.IsFromMe,
    }
    return str(chat["id"]), str(sender["id"]), place


def _key_chat(source: Any) -> str:
    """The chat as the server named it: a message that comes twice has the same key, whatever was learned meanwhile."""
    if source.IsGroup or source.Chat.Server not in (USER, LID):
        return bare(source.Chat)
    phone, lid = forms(source.Chat, *((source.RecipientAlt,) if source.IsFromMe else (source.Sender, source.SenderAlt)))
    return phone or lid


def on_message(client: Client, event: Any) -> None:
    """A message, an edit, a deletion, a reaction or a vote."""
    info, content = event.Info, event.Message
    if info.Category == "peer" or not contents.is_for_people(content):
        return
    chat, sender, place = _places(client, info.MessageSource)
    try:
        type, body = contents.describe(content, info.ID)
    except (AttributeError, ValueError):  # a shape of message that is newer than this code is kept as it came
        type, body = "message", {"message_id": info.ID, "kind": "unknown", "text": ""}
    if type == "poll_vote":
        body["option_hashes"] = client.read_vote(event)
    event.ClearField("Raw")  # the same message once more
    found = Found(
        type,
        f"{_key_chat(info.MessageSource)}/{info.ID}",
        info.Timestamp / 1000 if info.Timestamp else time.time(),
        chat,
        sender,
        _encode(body | place | ({"sender_name": info.Pushname} if info.Pushname else {})),
        _encode(MessageToDict(event)),
    )
    client.store(found)


def on_undecryptable(client: Client, event: Any) -> None:
    """The library asks the sender to encrypt a message anew, up to five times. While it cannot read its own keys that only
    uses up the attempts, and then the message is lost: better to hang up and let the server keep what comes."""
    client.hang_up_without_keys()


def on_receipt(client: Client, event: Any) -> None:
    """Somebody got or read messages."""
    kind = RECEIPTS.get(event.Type)
    if kind is None:
        return
    ids = list(event.MessageIDs)
    chat, sender, place = _places(client, event.MessageSource)
    source, about = event.MessageSource, _digest(" ".join(ids).encode())
    key = f"{_key_chat(source)}/receipt:{kind}:{text_of(source.Sender)}:{about}"
    body = place | {"receipt": kind, "message_ids": ids}
    client.store(
        Found(
            "receipt",
            key,
            float(event.Timestamp or time.time()),
            chat,
            sender,
            _encode(body),
            _encode(MessageToDict(event)),
        )
    )


def on_chat_presence(client: Client, event: Any) -> None:
    """Somebody types, or stops."""
    chat, sender, place = _places(client, event.MessageSource)
    state = "paused" if event.State == 2 else "recording" if event.Media == 2 else "typing"
    now = time.time()
    key = f"{chat}/chat_presence:{sender}:{now:.6f}"
    client.store(
        Found("chat_presence", key, now, chat, sender, _encode(place | {"state": state}), _encode(MessageToDict(event)))
    )


def on_presence(client: Client, event: Any) -> None:
    """Somebody is online, or not any more."""
    account, now = _account(client, event.From), time.time()
    sender = str(account["id"])
    body = {
        "sender": account,
        "state": "offline" if event.Unavailable else "online",
        "last_seen": max(event.LastSeen, 0) or None,
    }
    found = Found(
        "presence",
        f"{sender}/presence:{now:.6f}",
        now,
        sender,
        sender,
        _encode(body),
        _encode(MessageToDict(event)),
    )
    client.store(found)


def _other(type: str, address: Callable[[Any], Any], *, dated: bool = True) -> Callable[[Client, Any], None]:
    """Events that are passed on as they are."""

    def handler(client: Client, event: Any) -> None:
        raw = _encode(MessageToDict(event))
        chat, now = bare(address(event)), time.time()
        # What names its own time is itself when it comes again; the rest may really have happened once more.
        again = "" if dated else f":{int(now)}"
        client.store(Found(type, f"{chat}/{type}{again}:{_digest(raw)}", now, chat, None, b"{}", raw))

    return handler


def _notice(kind: str, detail: Callable[[Any], dict[str, Any]] = lambda _: {}) -> Callable[[Client, Any], None]:
    def handler(client: Client, event: Any) -> None:
        client.tell(kind, detail(event))

    return handler


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _reason(event: Any) -> int:
    return REASONS.get(event.Reason, 0)


HANDLERS: dict[Any, Callable[[Client, Any], None]] = {
    reports.Connected: _notice("connected"),
    reports.Disconnected: _notice("disconnected"),
    reports.KeepAliveTimeout: _notice("keepalive_timeout", lambda e: {"errors": e.ErrorCount}),
    reports.KeepAliveRestored: _notice("keepalive_restored"),
    reports.LoggedOut: _notice("logged_out", lambda e: {"on_connect": e.OnConnect, "reason": _reason(e)}),
    reports.StreamReplaced: _notice("replaced"),
    reports.TemporaryBan: _notice("banned", lambda e: {"code": e.Code, "seconds": e.Expire}),
    reports.ClientOutdated: _notice("outdated"),
    reports.ConnectFailure: _notice("refused", lambda e: {"reason": _reason(e), "message": e.Message}),
    reports.StreamError: _notice("stream_error", lambda e: {"code": e.Code}),
    reports.Message: on_message,
    reports.UndecryptableMessage: on_undecryptable,
    reports.Receipt: on_receipt,
    reports.ChatPresence: on_chat_presence,
    reports.Presence: on_presence,
    reports.JoinedGroup: _other("group_joined", lambda e: e.GroupInfo.JID, dated=False),
    reports.GroupInfoEvent: _other("group_changed", lambda e: e.JID),
    reports.CallOffer: _other("call", lambda e: e.BasicCallMeta.From),
}
"""Only what is listed here is asked of the library: history, for one, is large and not for us."""
