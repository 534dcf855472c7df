"""Runs one real neonize client against the simulator; the parent test speaks JSON lines with it over a socket.

Arguments: the socket's descriptor, the database, the proxy's address (may be empty), and the address of the stored device
to resume, `new` for a new device in a shared database, or nothing.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
from typing import Any

channel = socket.socket(fileno=int(sys.argv[1]))
database, proxy_address, resume = sys.argv[2:5]

from google.protobuf.json_format import MessageToDict  # noqa: E402
from neonize import events  # noqa: E402
from neonize._binder import ProxySettings, consume_bytes_struct, gocode  # noqa: E402
from neonize.client import NewClient  # noqa: E402
from neonize.proto.Neonize_pb2 import JID, MutationInfo, PatchInfo  # noqa: E402
from neonize.utils.enum import ChatPresence, ChatPresenceMedia, Presence, ReceiptType, VoteType  # noqa: E402

assert "trio" not in sys.modules
# neonize 0.5.2 forgets to convert what this one function returns.
gocode.DecryptPollVote.errcheck = consume_bytes_struct
writing = threading.Lock()
inbound: dict[str, Any] = {}


def say(**what: Any) -> None:
    with writing:
        channel.sendall(json.dumps(what).encode() + b"\n")


def parse_jid(text: str) -> JID:
    user, _, server = text.partition("@")
    user, _, device = user.partition(":")
    return JID(
        User=user, Server=server or "s.whatsapp.net", Device=int(device or 0), RawAgent=0, Integrator=0, IsEmpty=False
    )


arguments: dict[str, Any] = {}
if resume == "new":
    arguments = {"new_device": True, "uuid": database}
elif resume:
    arguments = {"jid": parse_jid(resume)}
client = NewClient(database, **arguments)


@client.qr  # type: ignore[untyped-decorator]
def on_qr(_: NewClient, code: bytes) -> None:
    say(event="QR", code=code.decode())


def forward(kind: type[Any]) -> None:
    @client.event(kind)  # type: ignore[untyped-decorator]
    def on_event(_: NewClient, event: Any) -> None:
        if kind.__name__ == "Message":
            inbound[event.Info.ID] = event
        say(event=kind.__name__, data=MessageToDict(event))


for each in events.EVENT_TO_INT:
    forward(each)


def send_media(to: str, kind: str, data: str) -> Any:
    content = base64.b64decode(data)
    if kind == "image":
        return client.send_image(parse_jid(to), content, caption="from neonize")
    return client.send_document(parse_jid(to), content, filename="note.txt", mimetype="text/plain")


def react(chat: str, sender: str, message_id: str, emoji: str) -> Any:
    message = client.build_reaction(parse_jid(chat), parse_jid(sender), message_id, emoji)
    return client.send_message(parse_jid(chat), message)


def star(chat: str, message_id: str, collection: int) -> None:
    """Star a message of another person, as a phone's settings say it."""
    from neonize.proto.waSyncAction.WAWebProtobufSyncAction_pb2 import StarAction, SyncActionValue

    value = SyncActionValue(timestamp=1_700_000_000_000, starAction=StarAction(starred=True))
    mutation = MutationInfo(Index=["star", chat, message_id, "0", "0"], Version=2, Value=value)
    client.send_app_state(PatchInfo(Timestamp=1_700_000_000, Type=collection, Mutations=[mutation]))


COMMANDS: dict[str, Any] = {
    "send_text": lambda to, text: client.send_message(parse_jid(to), text),
    "send_media": send_media,
    "reply": lambda message_id, text: client.reply_message(text, inbound[message_id]),
    "react": react,
    "edit": lambda chat, message_id, text: client.edit_message(parse_jid(chat), message_id, client_message(text)),
    "revoke": lambda chat, sender, message_id: client.revoke_message(parse_jid(chat), parse_jid(sender), message_id),
    "download": lambda message_id: base64.b64encode(client.download_any(inbound[message_id].Message)).decode(),
    "mark_read": lambda message_id, chat, sender: client.mark_read(
        message_id, chat=parse_jid(chat), sender=parse_jid(sender), receipt=ReceiptType.READ
    ),
    "typing": lambda to: client.send_chat_presence(
        parse_jid(to), ChatPresence.CHAT_PRESENCE_COMPOSING, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT
    ),
    "appear": lambda: client.send_presence(Presence.AVAILABLE),
    "pair_phone": lambda number: client.PairPhone(number, True),
    "is_on_whatsapp": lambda number: [MessageToDict(each) for each in client.is_on_whatsapp(number)],
    "group_info": lambda group: MessageToDict(client.get_group_info(parse_jid(group))),
    "groups": lambda: [MessageToDict(each) for each in client.get_joined_groups()],
    "poll": lambda to, question, options: client.send_message(
        parse_jid(to), client.build_poll_vote_creation(question, options, VoteType.SINGLE)
    ),
    "vote": lambda to, message_id, options: client.send_message(
        parse_jid(to), client.build_poll_vote(inbound[message_id].Info, options)
    ),
    "read_vote": lambda message_id: MessageToDict(client.decrypt_poll_vote(inbound[message_id])),
    "star": star,
    "me": lambda: MessageToDict(client.get_me()),
    "is_connected": lambda: client.is_connected,
    "is_logged_in": lambda: client.is_logged_in,
    "logout": lambda: client.logout(),
    "stop": lambda: client.stop(),
}


def client_message(text: str) -> Any:
    from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message

    return Message(conversation=text)


def call(request: dict[str, Any]) -> None:
    try:
        result = COMMANDS[request["call"]](*request["arguments"])
        if hasattr(result, "DESCRIPTOR"):
            result = MessageToDict(result)
        say(reply=request["id"], result=result)
    except Exception as error:
        say(reply=request["id"], error=f"{type(error).__name__}: {error}")


def connect() -> None:
    try:
        client.connect(ProxySettings(proxy_address) if proxy_address else None)
        say(event="ConnectReturned", data={})
    except Exception as error:
        say(event="ConnectReturned", data={"error": f"{type(error).__name__}: {error}"})


threading.Thread(target=connect, daemon=True).start()
for line in channel.makefile("rb"):
    threading.Thread(target=call, args=(json.loads(line),), daemon=True).start()
# The parent is gone, or wants the worker gone: Go's threads are not waited for.
sys.stdout.flush()
import os  # noqa: E402

os._exit(0)
