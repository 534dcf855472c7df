"""The past of a phone: chats and messages that it sends to each newly linked device, as files on the media server."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from ..server import media
from ..stanza import protobufs
from ..stanza.jid import GROUP_SERVER, Jid

RECENT, FULL, PUSH_NAMES = 3, 2, 4  # HistorySync.HistorySyncType
CHUNK = 500
"""Minimum number of messages in one file, except the last."""


@dataclass
class PastMessage:
    """`author` is a phone number in a group; empty in a chat of two, or when the owner wrote it."""

    id: str
    at: int  # seconds since 1970
    message: Any
    from_me: bool = False
    author: Jid | None = None
    reaction: str = ""


@dataclass
class PastChat:
    """A chat of two or a group, with its messages from the oldest to the newest."""

    jid: Jid
    name: str = ""
    other: Jid | None = None  # the other address of the same person
    unread: int = 0
    messages: list[PastMessage] = field(default_factory=list)


@dataclass
class Past:
    """One phone's past. `chunk_type` is RECENT or FULL."""

    chats: list[PastChat] = field(default_factory=list)
    push_names: dict[str, str] = field(default_factory=dict)  # by address
    chunk_type: int = RECENT
    texts: int = 0

    def chat(self, jid: Jid, name: str = "", *, other: Jid | None = None, unread: int = 0) -> PastChat:
        """Add a chat."""
        self.chats.append(PastChat(jid, name, other, unread))
        return self.chats[-1]

    def text(
        self,
        chat: PastChat,
        text: str,
        at: int,
        *,
        from_me: bool = False,
        author: Jid | None = None,
        reaction: str = "",
    ) -> str:
        """Add a text as the newest message of a chat; returns its id."""
        self.texts += 1
        id = f"3B{self.texts:014X}"
        message = protobufs.messages().Message(conversation=text)
        chat.messages.append(PastMessage(id, at, message, from_me, author, reaction))
        return id

    def chunks(self) -> list[Any]:
        """The past as `HistorySync`s."""
        schema = protobufs.history()
        found: list[Any] = []
        current = schema.HistorySync(syncType=self.chunk_type)
        held = 0
        for chat in self.chats:
            _add(current, chat)
            held += len(chat.messages)
            if held >= CHUNK:
                found.append(current)
                current, held = schema.HistorySync(syncType=self.chunk_type), 0
        if current.conversations:
            found.append(current)
        if self.push_names:
            names = schema.HistorySync(syncType=PUSH_NAMES)
            for address, name in self.push_names.items():
                names.pushnames.add(ID=address, pushname=name)
            found.append(names)
        for number, each in enumerate(found):
            each.chunkOrder, each.progress = number + 1, 100 * (number + 1) // len(found)
        return found


def _add(history: Any, chat: PastChat) -> None:
    conversation = history.conversations.add(ID=str(chat.jid), name=chat.name, unreadCount=chat.unread)
    if chat.other is not None:
        field_name = "lidJID" if chat.other.server == "lid" else "pnJID"
        setattr(conversation, field_name, str(chat.other))
    for each in reversed(chat.messages):
        message = conversation.messages.add().message
        message.key.remoteJID, message.key.fromMe, message.key.ID = str(chat.jid), each.from_me, each.id
        if each.author is not None:
            message.participant = message.key.participant = str(each.author)
        message.messageTimestamp = each.at
        message.message.CopyFrom(each.message)
        if each.reaction:
            reaction = message.reactions.add(text=each.reaction)
            reaction.key.remoteJID, reaction.key.fromMe, reaction.key.ID = str(chat.jid), not each.from_me, each.id
        conversation.lastMsgTimestamp = max(conversation.lastMsgTimestamp, each.at)
    if chat.jid.server == GROUP_SERVER and not chat.messages:
        conversation.conversationTimestamp = 1_700_000_000


def notifications(past: Past, store: media.MediaStore) -> list[Any]:
    """Upload the chunks of a phone's past; returns the messages that tell a device where they are."""
    schema = protobufs.messages()
    told = []
    for chunk in past.chunks():
        file = media.encrypt("md-msg-hist", zlib.compress(chunk.SerializeToString()))
        store.put(file)
        message = schema.Message()
        message.protocolMessage.type = schema.ProtocolMessage.HISTORY_SYNC_NOTIFICATION
        said = message.protocolMessage.historySyncNotification
        said.directPath, said.mediaKey, said.fileLength = file.direct_path, file.media_key, file.length
        said.fileSHA256, said.fileEncSHA256 = file.plain_hash, file.cipher_hash
        said.syncType, said.chunkOrder, said.progress = chunk.syncType, chunk.chunkOrder, chunk.progress
        told.append(message)
    return told
