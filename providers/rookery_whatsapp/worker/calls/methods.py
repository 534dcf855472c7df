"""The calls that the engine may make to a client, and the meaning of their failures."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError
from neonize._binder import func_callback_bytes2, gocode
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import (
    EventResponseMessage,
    Message,
    ReactionMessage,
)
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence, ReceiptType
from neonize.utils.log import log_whatsmeow

from .. import history
from ..addresses import bare, parse_jid
from ..events import contents, encoding
from . import failures, group_calls, outgoing, people, web_page
from .failures import NOT_CONNECTED, UNKNOWN, CallFailed

if TYPE_CHECKING:
    from ..client import Client

FORMS = {"message": Message, "reaction": ReactionMessage, "event_response": EventResponseMessage}
"""Protobufs that are encrypted under the secret of an earlier message."""

BEFORE_LIVE = {"pair_phone", "flags"}
"""Calls that are allowed while a client still shows QR codes."""

UPLOADING = ("media conn", "failed to execute request", "upload")

RATE_LIMITED = 429
UNKNOWN_POLL = "secret"
"""A word in the library's error about a poll whose secret it does not have."""
LIMITED = 463
"""WhatsApp's error for a message to a new person, from an account that may write only to people it knows."""


def prepare(arguments: dict[str, Any]) -> None:
    """Let the library create or migrate its tables; needs no client. Raises CallFailed."""
    answer = gocode.GetAllDevices(arguments["database"].encode(), func_callback_bytes2(log_whatsmeow)).decode()
    if answer.startswith("error: "):
        raise CallFailed("rejected", answer)


def send(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Send a message; returns its id and time. After `arguments["within"]` seconds nothing more is sent. If nothing was
    sent at all, the caller may repeat the call."""
    library, to = client.gated, outgoing.receiver(arguments)
    parts: list[Any] = []
    arguments["deadline"] = time.monotonic() + arguments.pop("within", math.inf)
    try:
        if arguments["content"]["type"] == "album":
            message, parts = outgoing.build_album(library, arguments)
        else:
            message = outgoing.build(library, arguments)
    except CallFailed:
        raise
    except Exception as error:
        # Only an upload has happened so far, which is harmless.
        text = str(error)
        retry = isinstance(error, OSError) or any(sign in text.lower() for sign in UPLOADING + UNKNOWN + NOT_CONNECTED)
        raise CallFailed("not_connected" if retry else "rejected", text) from None
    try:
        sent = _leave(client, to, message, arguments["deadline"])
    except CallFailed:
        raise
    except Exception as error:
        raise CallFailed(failure_of(str(error)), str(error)) from None
    ids = []
    for number, part in enumerate(parts):
        try:
            part = outgoing.join(part, number, arguments["to"], sent.ID)
            ids.append(_leave(client, to, part, arguments["deadline"]).ID)
        except Exception as error:
            # Partly sent: a repetition would send the first files a second time.
            raise CallFailed("unknown", f"{number} of the {len(parts)} files of the album were sent: {error}") from None
    return {"id": sent.ID, "time": sent.Timestamp, "chat": bare(sent.Chat), "parts": ids}


def _leave(client: Client, to: Any, message: Any, deadline: float) -> Any:
    """Send one message. Raises CallFailed when it is too late to send, otherwise the library's errors."""
    with client.gate.call():  # both checks are inside, because the wait for the gate may be long
        if time.monotonic() > deadline:
            raise CallFailed("not_connected", "preparing the message took longer than one send may take")
        if not client.usable:  # the library would crash
            raise CallFailed("not_connected", "the client is not connected")
        return client.library.send_message(to, message)


def vote(client: Client, arguments: dict[str, Any]) -> dict[str, Any]:
    """Vote in a poll whose secret the library knows; returns the vote's id and time."""
    library, chat = client.gated, parse_jid(arguments["to"])
    try:
        message = library.build_poll_vote(outgoing.poll_info(arguments), arguments["choices"])
    except CallFailed:
        raise
    except Exception as error:
        text = str(error)
        if UNKNOWN_POLL in text:
            text = "message_id: the secret of this poll is unknown, and without it no vote can be encrypted"
        raise CallFailed("rejected", text) from None
    try:
        sent = library.send_message(chat, message)
    except CallFailed:
        raise
    except Exception as error:
        raise CallFailed(failure_of(str(error)), str(error)) from None
    return {"id": sent.ID, "time": sent.Timestamp, "chat": bare(sent.Chat)}


def failure_of(text: str) -> str:
    """The kind of a failed send, from the library's error text."""
    lower = failures.without_quotes(text).lower()
    status = failures.status_of(text)
    if status == RATE_LIMITED:
        return "rate_limited"
    if status == LIMITED:
        return "limited"
    if any(sign in lower for sign in UNKNOWN):
        return "unknown"
    if any(sign in lower for sign in NOT_CONNECTED):
        return "not_connected"
    return "rejected"


def typing(client: Client, arguments: dict[str, Any]) -> None:
    """Show the account as typing, recording, or neither."""
    action = arguments["action"]
    state = ChatPresence.CHAT_PRESENCE_PAUSED if action == "paused" else ChatPresence.CHAT_PRESENCE_COMPOSING
    media = (
        ChatPresenceMedia.CHAT_PRESENCE_MEDIA_AUDIO
        if action == "recording"
        else ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
    )
    client.library.send_chat_presence(parse_jid(arguments["to"]), state, media)


def read(client: Client, arguments: dict[str, Any]) -> None:
    """Send read receipts to the sender."""
    client.library.mark_read(
        *arguments["message_ids"],
        chat=parse_jid(arguments["to"]),
        sender=parse_jid(arguments["sender"]),
        receipt=ReceiptType.READ,
    )


def presence(client: Client, arguments: dict[str, Any]) -> None:
    """Show the account as online or offline to everyone."""
    client.library.send_presence(Presence.AVAILABLE if arguments["available"] else Presence.UNAVAILABLE)


def download(client: Client, arguments: dict[str, Any]) -> int:
    """Write the decrypted file of a message, as the event log has it, to `path`; returns its size."""
    message = ParseDict(arguments["message"], Message(), ignore_unknown_fields=True)
    try:
        data = client.library.download_any(message)
    except Exception as error:
        raise CallFailed(failures.kind_of_download(str(error)), str(error)) from None
    if len(data) > arguments["limit"]:
        raise CallFailed("rejected", f"the file has {len(data)} bytes, {arguments['limit']} are allowed")
    try:
        Path(arguments["path"]).write_bytes(data)
    except OSError as error:
        raise CallFailed("not_connected", f"the file cannot be written: {error.strerror}") from None
    return len(data)


def describe(client: Client, arguments: dict[str, Any]) -> tuple[str, bytes, bytes]:
    """Describe content that the engine decrypted: the event's type, its body, and its document. `form` names the protobuf."""
    form = FORMS[arguments["form"]]
    try:
        message = encoding.mend(form.FromString(arguments["data"]))
    except DecodeError as error:
        raise CallFailed("rejected", f"the decrypted bytes are no {form.DESCRIPTOR.name}: {error}") from None
    kind: str = arguments["type"]
    body: dict[str, Any]
    if form is Message:
        kind, body = contents.describe(message, arguments["id"])
    elif form is ReactionMessage:
        body = {"emoji": message.text}
    else:
        answer = form.DESCRIPTOR.fields_by_name["response"].enum_type.values_by_number.get(message.response)
        body = {"answer": answer.name.lower() if answer is not None else None, "guests": message.extraGuestCount}
    return kind, encoding.encode_body(body), encoding.encode_raw(message)


def describe_history(client: Client, arguments: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The events for a slice of history, each with the fields of `Happened`."""

    def name_of(jid: Any) -> str:
        info = client.gated.contact.get_contact(jid)
        return str(info.FullName or info.FirstName or info.BusinessName or info.PushName)

    try:
        return [tuple(each) for each in history.describe(client, zlib.decompress(arguments["data"]), name_of)]
    except (DecodeError, zlib.error) as error:
        raise CallFailed("rejected", f"the history cannot be read: {error}") from None


def pair_phone(client: Client, arguments: dict[str, Any]) -> str:
    """A code to type into the phone with this number."""
    return str(client.library.PairPhone(arguments["phone"], True))


def flags(client: Client, arguments: dict[str, Any]) -> tuple[bool, bool]:
    """Two flags: the socket is open, and the server has accepted the login."""
    return bool(client.library.is_connected), bool(client.library.is_logged_in)


def probe(client: Client, arguments: dict[str, Any]) -> None:
    """One round trip to the server: report again that this device is active, as it did when it connected."""
    client.library.set_passive(False)


def logout(client: Client, arguments: dict[str, Any]) -> None:
    """Unlink this device from the account."""
    client.library.logout()


def read_page(client: Client, arguments: dict[str, Any]) -> dict[str, str]:
    """The title, description and picture that a web page declares, for the preview of a link to it."""
    return web_page.describe(arguments["html"], arguments["url"])


def _question(function: Callable[[Client, dict[str, Any]], Any]) -> Callable[[Client, dict[str, Any]], Any]:
    """Wrap a query: a failure is reported as the server's answer."""

    def ask(client: Client, arguments: dict[str, Any]) -> Any:
        try:
            return encoding.clean(function(client, arguments))
        except CallFailed:
            raise
        except Exception as error:
            raise failures.refused(str(getattr(error, "Error", "") or error)) from None

    return ask


METHODS: dict[str, Callable[[Client, dict[str, Any]], Any]] = {
    function.__name__: function
    for function in (
        send,
        vote,
        typing,
        read,
        presence,
        download,
        describe,
        describe_history,
        pair_phone,
        flags,
        probe,
        logout,
        read_page,
    )
} | {
    function.__name__: _question(function)
    for function in (
        people.contacts,
        people.contact,
        people.picture,
        people.check_numbers,
        people.blocked,
        people.block,
        people.set_timer,
        people.profile,
        people.own_name,
        people.change_profile,
        people.subscribe,
        people.reject_call,
        group_calls.groups,
        group_calls.group,
        group_calls.create_group,
        group_calls.change_group,
        group_calls.leave_group,
        group_calls.change_participants,
        group_calls.join_requests,
        group_calls.invite,
        group_calls.join_group,
        group_calls.preview_group,
        group_calls.channels,
        group_calls.channel,
        group_calls.follow,
        group_calls.unfollow,
    )
}
