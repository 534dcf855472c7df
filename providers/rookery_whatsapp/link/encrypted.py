"""Decrypts parts of messages that are encrypted under the secret of an earlier message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..device import secrets
from ..device.account import Account
from ..device.devices import DeviceStore
from ..worker_pool.port import ClientPort

EVENT_EDIT, MESSAGE_EDIT, POLL_EDIT, POLL_ADD_OPTION = 1, 2, 4, 5  # SecretEncryptedMessage.SecretEncType
EDITS = {
    EVENT_EDIT: ("Event Edit",),
    MESSAGE_EDIT: ("Message Edit",),
    POLL_EDIT: ("Poll Edit",),
    POLL_ADD_OPTION: ("Poll Add Option", "Poll Edit"),
}
PARTS = {
    "encReactionMessage": ("reaction", "reaction", ("Enc Reaction",)),
    "encCommentMessage": ("message", "message", ("Enc Comment",)),
    "encEventResponseMessage": ("event_response", "event_response", ("Event Response",)),
}
"""By field: the event's type, the worker's name for the protobuf inside, and the possible uses of the key."""


class Opener:
    """Decrypts the encrypted parts that one link receives."""

    def __init__(self, account: Account, devices: DeviceStore) -> None:
        self.session = account.session
        self._account = account
        self._devices = devices

    async def open(self, port: ClientPort, body: dict[str, Any]) -> tuple[str, bytes]:
        """Replace the body of an `encrypted` event by the body of its content; returns the event's type and its document.

        An unknown original is not an error: `undecryptable` in the body says so. Raises ProviderError, SendError.
        """
        type, form, uses = PARTS.get(body["field"], ("edited_message", "message", EDITS.get(body["use"], ())))
        plain = await self._decrypt(body, uses)
        if isinstance(plain, str):
            return self.closed(body, plain), b"null"
        id, target = body["message_id"], body["target"]
        inner, found, raw = await port.call("describe", type=type, form=form, data=plain, id=id)
        content = msgspec.json.decode(found)
        self._strip(body)
        body["encrypted"] = True
        if type == "edited_message":
            content.pop("edit_id", None)
            body |= content | {"message_id": target, "edit_id": id}
            if inner == "deleted_message":
                type = inner
        elif type == "reaction":
            body |= content | {"message_id": target, "reaction_id": id}
        elif type == "event_response":
            body |= content | {"message_id": target, "response_id": id}
        else:
            body |= content | {"message_id": id, "kind": "comment", "target": target}
        return type, bytes(raw)

    async def author(self, id: str) -> str | None:
        """The author of a message, if the library has kept its secret. Raises ProviderError."""
        rows = await self._devices.message_secrets(self.session, self._account.jid or "", id)
        return rows[0][0] if rows else None

    def is_own(self, address: str) -> bool:
        """True for an address of the account itself."""
        lid = f"{self._account.lid.partition(':')[0].partition('@')[0]}@lid"
        return address in (self._account.address, lid)

    def closed(self, body: dict[str, Any], reason: str) -> str:
        """Like `open`, for content that cannot be decrypted; returns the event's type."""
        type = PARTS.get(body["field"], ("edited_message", "", ()))[0]
        id, target = body["message_id"], body["target"]
        self._strip(body)
        own = {"edited_message": "edit_id", "reaction": "reaction_id", "event_response": "response_id"}.get(type)
        body |= {"kind": "undecryptable", "text": "", "encrypted": True, "undecryptable": reason}
        body |= {"message_id": target, own: id} if own else {"message_id": id, "target": target}
        return type

    def _strip(self, body: dict[str, Any]) -> None:
        for name in ("field", "use", "target", "target_author", "target_from_me", "payload", "iv"):
            body.pop(name, None)

    async def _decrypt(self, body: dict[str, Any], uses: tuple[str, ...]) -> bytes | str:
        """The decrypted bytes, or the reason why there are none."""
        if not uses:
            return f"this kind of encrypted content ({body['use']}) is not known"
        rows = await self._devices.message_secrets(self.session, self._account.jid or "", body["target"])
        if not rows:
            return "the original message is not known here"
        editors = [each for each in (body["sender"].get("lid"), body["sender"].get("phone")) if each]
        for author, secret in rows:
            plain = secrets.decrypt(
                bytes.fromhex(body["payload"]),
                bytes.fromhex(body["iv"]),
                secret=secret,
                message_id=body["target"],
                authors=[author, *await self._forms(author)],
                editors=editors,
                uses=uses,
            )
            if plain is not None:
                return plain
        return "the secret of the original message does not decrypt it"

    async def _forms(self, author: str) -> Iterable[str]:
        return await self._devices.other_names(self.session, author)
