"""A scripted phone: links devices, writes messages, reads what it gets. It stands for a WhatsApp account.

Methods that only change the simulated world return at once; a method is `async` where it waits for a client.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from ..crypto.pairing import PairingRefused
from ..server import media, pairing_flow
from ..server.state.accounts import Account, LinkedDevice
from ..server.state.group import Group
from ..server.state.world import World
from ..stanza.jid import Jid
from ..stanza.node import Attrs, Node, node
from . import history, outgoing, polls, postman
from .correspondent import Correspondent
from .outgoing import Draft
from .records import ReceivedMessage, SentMessage


class Phone(Correspondent):
    """Made by `WhatsAppSimulator.phone`."""

    def __init__(self, world: World, number: str, lid: Jid, name: str) -> None:
        super().__init__(world, number, lid, name)
        self.past = history.Past()  # given to each newly linked device
        self._read = 0

    # Linking devices

    async def scan(self, qr: str) -> LinkedDevice:
        """Scan a QR code; returns when the device has accepted. Raises PairingRefused; the caller brings the timeout."""
        return await self._pair(lambda done: pairing_flow.scan(self.world, self, qr, done))

    async def enter_code(self, code: str) -> LinkedDevice:
        """Type a pairing code, with or without its dash; as `scan`."""
        return await self._pair(lambda done: pairing_flow.enter_code(self.world, self, code, done))

    async def _pair(self, begin: Callable[[pairing_flow.Done], None]) -> LinkedDevice:
        outcome: list[LinkedDevice | PairingRefused] = []
        finished = trio.Event()

        def done(result: LinkedDevice | PairingRefused) -> None:
            outcome.append(result)
            finished.set()

        begin(done)
        await finished.wait()
        if isinstance(outcome[0], PairingRefused):
            raise outcome[0]
        return outcome[0]

    def greet(self, device: LinkedDevice) -> None:
        """Send a device, at its first login, the key to the phone's settings, which include its push name."""
        if not device.greeted:
            device.greeted = True
            self.app_state.set_push_name(self.name)
            self.app_state.set_contacts({str(jid): name for jid, name in self.contacts.items()})
            postman.send_to_own_device(self, device, self.app_state.share())
            for message in history.notifications(self.past, self.world.media):
                postman.send_to_own_device(self, device, message)

    def receive(self, device: LinkedDevice, stanza: Node, group: Jid | None, encrypted: list[Node]) -> None:
        """A linked device sent a message to this account; `encrypted` are the parts meant for the phone."""
        postman.receive(self, device, stanza, group, encrypted)

    def on_receipt(self, device: LinkedDevice, stanza: Node) -> None:
        """A linked device confirms messages that this phone sent, or asks for one again."""
        postman.on_receipt(self, device, stanza)

    # Writing

    def send(self, to: Account | Group, draft: Draft) -> SentMessage:
        """Encrypt `draft` for each device of `to` (and of our own account) and hand it to the server."""
        return postman.send(self, to, draft)

    def send_text(self, to: Account | Group, text: str) -> SentMessage:
        return self.send(to, outgoing.text(text))

    def post_status(self, text: str, *viewers: Account) -> SentMessage:
        """Post a status that these accounts see."""
        return postman.post_status(self, list(viewers), outgoing.text(text))

    def send_media(
        self,
        to: Account | Group,
        content: bytes,
        *,
        kind: str = "image",
        mimetype: str = "image/jpeg",
        caption: str = "",
        name: str = "",
    ) -> SentMessage:
        """Upload `content` and send it; `kind` is image, video, audio or document."""
        file = media.encrypt(kind, content)
        self.world.media.put(file)
        return self.send(to, outgoing.media(kind, file, mimetype=mimetype, caption=caption, name=name))

    def reply(self, to: ReceivedMessage, text: str) -> SentMessage:
        draft = outgoing.reply(text, quoted_id=to.id, quoted_sender=to.sender, quoted=to.message)
        return self.send(self._place_of(to.chat), draft)

    def react(self, to: ReceivedMessage, emoji: str) -> SentMessage:
        place = self._place_of(to.chat)
        participant = None if isinstance(place, Account) else to.sender
        # The chat is named as the other side sees it: for a chat of two it is the other side.
        return self.send(
            place,
            outgoing.reaction(emoji, chat=to.chat, message_id=to.id, from_me=False, participant=participant),
        )

    def vote(self, poll: ReceivedMessage, *options: str) -> SentMessage:
        """Vote in a poll that was received; without options, withdraw the vote."""
        place = self._place_of(poll.chat)
        participant = None if isinstance(place, Account) else poll.sender
        return self.send(place, polls.vote(poll, self.lid, list(options), participant=participant))

    def read_vote(self, vote: ReceivedMessage) -> list[str]:
        """The options that a vote chooses in a poll of this phone; raises KeyError for any other poll."""
        poll = self.sent[vote.message.pollUpdateMessage.pollCreationMessageKey.ID]
        return polls.read_vote(poll.draft.message, poll.id, self.lid, vote)

    def edit(self, sent: SentMessage, text: str) -> SentMessage:
        return self.send(self._place_of(sent.to), outgoing.edit(text, chat=sent.to, message_id=sent.id))

    def revoke(self, sent: SentMessage) -> SentMessage:
        return self.send(self._place_of(sent.to), outgoing.revoke(chat=sent.to, message_id=sent.id))

    def _place_of(self, chat: Jid) -> Account | Group:
        place = self.world.groups.get(chat) or self.world.phone_at(chat)
        if place is None:
            raise LookupError(f"no account or group has the address {chat}")
        return place

    # Small signs of life

    def mark_read(self, *messages: ReceivedMessage, kind: str = "read") -> None:
        """Send read receipts to the senders; `kind` may also be `played`."""
        for message in messages:
            postman.send_receipt(self, message, kind)

    def type_to(self, other: Account, state: str = "composing", *, audio: bool = False) -> None:
        """Show as typing (`composing`) or no longer typing (`paused`)."""
        content = [node(state, {"media": "audio" if audio else None})]
        for device in other.devices.values():
            device.tell(node("chatstate", {"from": self.lid}, content))

    def appear(self, to: Account, *, online: bool = True, last_seen: int | None = None) -> None:
        """Tell the devices of `to` that this phone is online or offline; `last_seen` in seconds since 1970."""
        attrs: Attrs = {"from": self.lid, "type": None if online else "unavailable", "last": last_seen}
        for device in to.devices.values():
            device.tell(node("presence", attrs))

    def ring(self, other: Account, *, video: bool = False, call_id: str = "") -> str:
        """Call the devices of `other`; returns the call's id."""
        call_id = call_id or self.world.new_id()
        creator: Attrs = {"call-id": call_id, "call-creator": self.lid, "caller_pn": self.jid}
        media = [node("audio", {"enc": "opus", "rate": "16000"}), *([node("video", {"enc": "vp8"})] if video else [])]
        attrs: Attrs = {"from": self.lid, "platform": "android", "version": "2.24"}
        for device in other.devices.values():
            stanza = attrs | {"id": self.world.new_id(), "t": self.world.now()}
            device.tell(node("call", stanza, [node("offer", creator, media)]))
        return call_id

    # Reading

    def lose_sessions(self) -> None:
        """Forget every Signal session, like a phone that was restored from an old backup."""
        self.signal.forget_all()

    async def next_message(self) -> ReceivedMessage:
        """The oldest message that this method has not returned yet; the caller brings the timeout."""
        message = await self.received.wait_for(start=self._read)
        self._read += 1
        return message

    def download(self, message: ReceivedMessage) -> bytes:
        """The decrypted file of a media message; raises KeyError and MediaCorrupted."""
        for kind in ("image", "video", "audio", "document", "sticker"):
            if message.message.HasField(f"{kind}Message"):
                part = getattr(message.message, f"{kind}Message")
                return media.decrypt(kind, part.mediaKey, self.world.media.get(part.directPath))
        raise KeyError("not a media message")
