"""The records of scripted phones: messages received, messages sent, and receipts for those."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..feed import Feed
from ..stanza.jid import Jid
from ..stanza.node import Node
from .outgoing import Draft


@dataclass(frozen=True)
class ReceivedMessage:
    """`message` is the decrypted protobuf `Message`; `sender` the hidden address of the device that wrote it."""

    id: str
    sender: Jid
    number: str  # the sender's phone number
    chat: Jid  # the group, or the other side
    kind: str  # the stanza's type: text, media, reaction, poll
    message: Any
    at: int  # seconds since 1970
    stanza: Node | None = None  # as the sending device wrote it

    @property
    def text(self) -> str:
        """The text, or the caption."""
        message = self.message
        if message.HasField("editedMessage"):
            message = message.editedMessage.message.protocolMessage.editedMessage
        for part in (message.imageMessage, message.videoMessage, message.documentMessage):
            if part.caption:
                return str(part.caption)
        return str(message.conversation or message.extendedTextMessage.text)


@dataclass(frozen=True)
class Receipt:
    """`kind` is "" for delivered, or WhatsApp's own word: read, played, inactive, retry, sender, peer_msg."""

    kind: str
    device: Jid
    at: int  # seconds since 1970


@dataclass
class SentMessage:
    """A message from a scripted phone, and the receipts for it so far."""

    id: str
    to: Jid
    draft: Draft
    receipts: Feed[Receipt] = field(default_factory=Feed)
    is_peer_message: bool = False  # from the phone to its own device, in no chat
    # A message to a group is encrypted once for all members, under a key that some still need.
    group_key: bytes = b""
    group_ciphertext: bytes = b""

    async def receipt(self, *kinds: str) -> Receipt:
        """The first receipt of one of `kinds` (any when none is named); the caller brings the timeout."""
        return await self.receipts.wait_for(lambda receipt: not kinds or receipt.kind in kinds)

    async def delivered(self) -> Receipt:
        """Wait until a device has received the message (while active or inactive) or read it."""
        return await self.receipt("", "inactive", "read", "played")
