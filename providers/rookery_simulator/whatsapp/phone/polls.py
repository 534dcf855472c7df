"""Votes in polls: hashes of the chosen options, encrypted under a secret that the poll itself carries.

Source: tulir/whatsmeow `msgsecret.go`. Every address in the key's derivation is the bare hidden one.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..crypto.ratchet import derive
from ..stanza import protobufs
from ..stanza.jid import Jid
from .outgoing import Draft, set_key
from .records import ReceivedMessage

POLL_FIELDS = ("pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3")


def vote(poll: ReceivedMessage, voter: Jid, options: list[str], *, participant: Jid | None) -> Draft:
    """The vote of `voter` for `options` of another person's poll."""
    schema = protobufs.messages()
    cipher, associated = _cipher(poll.message, poll.id, poll.sender, voter)
    choice = schema.PollVoteMessage(selectedOptions=[hashlib.sha256(option.encode()).digest() for option in options])
    message = schema.Message()
    update = message.pollUpdateMessage
    set_key(update.pollCreationMessageKey, poll.chat, poll.id, False, participant)
    update.vote.encIV = os.urandom(12)
    update.vote.encPayload = cipher.encrypt(update.vote.encIV, choice.SerializeToString(), associated)
    update.senderTimestampMS = int(time.time() * 1000)
    return Draft(message, "poll")


def read_vote(poll: Any, poll_id: str, author: Jid, vote_message: ReceivedMessage) -> list[str]:
    """The options that `vote_message` chooses in the poll `poll` (a `Message`) of `author`."""
    update = vote_message.message.pollUpdateMessage
    cipher, associated = _cipher(poll, poll_id, author, vote_message.sender)
    choice = cipher.decrypt(update.vote.encIV, update.vote.encPayload, associated)
    chosen = set(protobufs.messages().PollVoteMessage.FromString(choice).selectedOptions)
    names = [option.optionName for field in POLL_FIELDS for option in getattr(poll, field).options]
    return [name for name in names if hashlib.sha256(name.encode()).digest() in chosen]


def _cipher(poll: Any, poll_id: str, author: Jid, voter: Jid) -> tuple[AESGCM, bytes]:
    secret = poll.messageContextInfo.messageSecret
    info = f"{poll_id}{author.bare}{voter.bare}Poll Vote".encode()
    return AESGCM(derive(secret, info, 32)), f"{poll_id}\0{voter.bare}".encode()
