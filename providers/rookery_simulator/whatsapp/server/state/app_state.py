"""App state: settings that a phone shares with its devices, as numbered, encrypted, authenticated patches.

A device cannot announce its presence before it knows its own push name, and that comes only from here. The phone gives
its devices a 32-byte key; each patch then carries mutations encrypted under keys derived from it, a hash over the whole
collection (an additive hash: 64 16-bit lanes) and two authentication codes. Source: tulir/whatsmeow, package `appstate`.
"""

from __future__ import annotations

import hmac
import json
import os
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from ...crypto.ratchet import derive, encrypt_cbc, hmac_sha256
from ...stanza import protobufs

PUSH_NAME_COLLECTION, CONTACTS_COLLECTION = "critical_block", "critical_unblock_low"
SET = 0  # SyncdMutation.SyncdOperation
HASH_SIZE = 128  # bytes
_LANES = struct.Struct("<64H")


@dataclass
class AppState:
    """One phone's collections; `patches[name][n]` is the serialised SyncdPatch of version `n + 1`."""

    key_id: bytes = field(default_factory=lambda: os.urandom(6))
    key: bytes = field(default_factory=lambda: os.urandom(32))
    patches: dict[str, list[bytes]] = field(default_factory=dict)

    def set_push_name(self, name: str) -> None:
        """Write the first patch of the collection that holds the push name; a second call does nothing."""
        if PUSH_NAME_COLLECTION in self.patches:
            return
        value = protobufs.sync_actions().SyncActionValue(timestamp=int(time.time() * 1000))
        value.pushNameSetting.name = name
        self.patches[PUSH_NAME_COLLECTION] = [self._first_patch(PUSH_NAME_COLLECTION, (["setting_pushName"], value))]

    def set_contacts(self, names: dict[str, str]) -> None:
        """Write the first patch of the collection that holds the address book, by address; a second call does nothing."""
        if CONTACTS_COLLECTION in self.patches or not names:
            return
        entries = []
        for address, name in names.items():
            value = protobufs.sync_actions().SyncActionValue(timestamp=int(time.time() * 1000))
            value.contactAction.fullName = name
            entries.append((["contact", address], value))
        self.patches[CONTACTS_COLLECTION] = [self._first_patch(CONTACTS_COLLECTION, *entries)]

    def share(self) -> Any:
        """The message with which the phone gives a device the key."""
        schema = protobufs.messages()
        message = schema.Message()
        message.protocolMessage.type = schema.ProtocolMessage.APP_STATE_SYNC_KEY_SHARE
        shared = message.protocolMessage.appStateSyncKeyShare.keys.add()
        shared.keyID.keyID = self.key_id
        shared.keyData.keyData = self.key
        shared.keyData.timestamp = int(time.time() * 1000)
        shared.keyData.fingerprint.rawID = 1
        return message

    def _first_patch(self, collection: str, *entries: tuple[list[str], Any]) -> bytes:
        """Each entry is the index of a setting and its value."""
        schema = protobufs.server_sync()
        keys = derive(self.key, b"WhatsApp Mutation Keys", 160)
        index_key, value_key, value_mac_key, snapshot_key, patch_key = (keys[at : at + 32] for at in range(0, 160, 32))
        version = (1).to_bytes(8)
        patch = schema.SyncdPatch()
        patch.version.version = 1
        patch.keyID.ID = self.key_id
        state, codes = bytes(HASH_SIZE), b""
        for index, value in entries:
            index_json = json.dumps(index).encode()
            action = protobufs.sync_actions().SyncActionData(index=index_json, value=value, padding=b"", version=1)
            iv = os.urandom(16)
            content = iv + encrypt_cbc(value_key, iv, action.SerializeToString())
            # The code covers the operation (1 = set), the key's id, the content, and the length of the first two.
            length = (len(self.key_id) + 1).to_bytes(8)
            code = hmac.digest(value_mac_key, b"\x01" + self.key_id + content + length, "sha512")[:32]
            mutation = patch.mutations.add(operation=SET)
            mutation.record.index.blob = hmac_sha256(index_key, index_json)
            mutation.record.value.blob = content + code
            mutation.record.keyID.ID = self.key_id
            state, codes = _add(state, code), codes + code
        patch.snapshotMAC = hmac_sha256(snapshot_key, state + version + collection.encode())
        patch.patchMAC = hmac_sha256(patch_key, patch.snapshotMAC + codes + version + collection.encode())
        return bytes(patch.SerializeToString())

    def accept(self, collection: str, patch: bytes) -> None:
        """Store a patch that a device wrote; the server numbers it."""
        stored = self.patches.setdefault(collection, [])
        parsed = protobufs.server_sync().SyncdPatch.FromString(patch)
        parsed.version.version = len(stored) + 1
        stored.append(bytes(parsed.SerializeToString()))


def _add(state: bytes, item: bytes) -> bytes:
    addend = _LANES.unpack(derive(item, b"WhatsApp Patch Integrity", HASH_SIZE))
    return _LANES.pack(*((a + b) & 0xFFFF for a, b in zip(_LANES.unpack(state), addend, strict=True)))
