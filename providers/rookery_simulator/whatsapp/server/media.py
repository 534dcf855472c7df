"""Encrypts pictures and files, and serves them.

A file is AES-256-CBC under a key derived from its 32-byte media key, followed by the first 10 bytes of an HMAC; the
server sees only that. Upload: POST /mms/<type>/<hash>; download: GET on the direct path that the upload returned.
Source: tulir/whatsmeow `upload.go` and `download.go`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

import h11
import trio

from ..crypto.ratchet import decrypt_cbc, derive, encrypt_cbc
from .proxy import MEDIA_HOST

MAC_SIZE = 10  # bytes
REQUEST_DEADLINE = 60.0  # seconds for one request
KEY_INFO = {
    "image": b"WhatsApp Image Keys",
    "sticker": b"WhatsApp Image Keys",
    "video": b"WhatsApp Video Keys",
    "audio": b"WhatsApp Audio Keys",
    "ptt": b"WhatsApp Audio Keys",
    "document": b"WhatsApp Document Keys",
    "md-app-state": b"WhatsApp App State Keys",
    "md-msg-hist": b"WhatsApp History Keys",
}


class MediaCorrupted(Exception):
    """A file does not match its hashes or its authentication code."""


@dataclass(frozen=True)
class EncryptedFile:
    """A file as stored on the server, and its description in a message."""

    ciphertext: bytes
    media_key: bytes
    direct_path: str
    plain_hash: bytes
    cipher_hash: bytes
    length: int

    @property
    def url(self) -> str:
        return f"https://{MEDIA_HOST}{self.direct_path}"


def encrypt(kind: str, content: bytes) -> EncryptedFile:
    """Encrypt `content`; `kind` is a key of KEY_INFO."""
    media_key = os.urandom(32)
    keys = derive(media_key, KEY_INFO[kind], 112)
    ciphertext = encrypt_cbc(keys[16:48], keys[:16], content)
    ciphertext += hmac.digest(keys[48:80], keys[:16] + ciphertext, "sha256")[:MAC_SIZE]
    cipher_hash = hashlib.sha256(ciphertext).digest()
    plain_hash = hashlib.sha256(content).digest()
    return EncryptedFile(ciphertext, media_key, path_of(cipher_hash), plain_hash, cipher_hash, len(content))


def decrypt(kind: str, media_key: bytes, ciphertext: bytes) -> bytes:
    """Raises MediaCorrupted."""
    keys = derive(media_key, KEY_INFO[kind], 112)
    body, mac = ciphertext[:-MAC_SIZE], ciphertext[-MAC_SIZE:]
    if not hmac.compare_digest(mac, hmac.digest(keys[48:80], keys[:16] + body, "sha256")[:MAC_SIZE]):
        raise MediaCorrupted("wrong authentication code")
    return decrypt_cbc(keys[16:48], keys[:16], body)


def path_of(cipher_hash: bytes) -> str:
    # Clients append "&hash=..." to it, so it always carries a query.
    return f"/v/t62.7118-24/{urlsafe_b64encode(cipher_hash).decode()}?ccb=11-4"


@dataclass
class MediaStore:
    """Encrypted files by direct path (without the query). `status`, when set, is the answer to every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    authorisation: str = field(default_factory=lambda: secrets.token_urlsafe(20))
    status: int | None = None
    uploads: int = 0
    downloads: int = 0

    def put(self, file: EncryptedFile) -> None:
        self.files[file.direct_path.partition("?")[0]] = file.ciphertext

    def get(self, direct_path: str) -> bytes:
        """Raises KeyError."""
        return self.files[direct_path.partition("?")[0]]

    def respond(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for one HTTP request."""
        if self.status is not None:
            return self.status, b""
        if method == "POST":
            self.uploads += 1
            path = path_of(hashlib.sha256(body).digest())
            self.files[path.partition("?")[0]] = body
            return 200, json.dumps({"url": f"https://{MEDIA_HOST}{path}", "direct_path": path}).encode()
        path = target.partition("?")[0]
        if method == "DELETE":
            self.files.pop(path, None)
            return 200, b""
        if path not in self.files:
            return 404, b""
        self.downloads += 1
        return 200, self.files[path]


async def serve_media(store: MediaStore, stream: trio.abc.Stream) -> None:
    """Answer HTTP requests until the client closes."""
    protocol = h11.Connection(h11.SERVER)
    while True:
        with trio.move_on_after(REQUEST_DEADLINE) as patience:
            try:
                request = await _next_request(protocol, stream)
                if request is None:
                    return
                method, target, body = request
                status, answer = store.respond(method, target, body)
                headers = [("Content-Length", str(len(answer)))]
                for event in (
                    h11.Response(status_code=status, headers=headers),
                    h11.Data(data=answer),
                    h11.EndOfMessage(),
                ):
                    await stream.send_all(protocol.send(event) or b"")
                protocol.start_next_cycle()
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
                return
        if patience.cancelled_caught:
            return


async def _next_request(protocol: h11.Connection, stream: trio.abc.Stream) -> tuple[str, str, bytes] | None:
    method = target = ""
    body = bytearray()
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            if protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(protocol.send(go_on) or b"")
            protocol.receive_data(bytes(await stream.receive_some(65_536)))
        elif isinstance(event, h11.Request):
            method, target = event.method.decode(), event.target.decode()
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return method, target, bytes(body)
        else:
            return None
