"""The binary form of stanzas: one tag byte before each value, two dictionaries of well-known strings.

A packed stanza is one flag byte (bit 1: the rest is zlib-compressed) and one encoded node. A node is a list of
`1 + 2 * attributes + (1 if content)` items: the tag, the attributes as key and value, the content. The token tables are
`tokens.json`: facts of dictionary version 3, which the client announces as the last byte of its `WA` header.
Source of the format: tulir/whatsmeow, package `binary`, and WhatsApp Web itself.
"""

from __future__ import annotations

import json
import zlib
from importlib.resources import files

from .jid import DOMAIN_OF_SERVER, SERVER_OF_DOMAIN, Jid
from .node import Node

LIST_EMPTY = 0
DICTIONARY_0 = 236
INTEROP_JID = 245
MESSENGER_JID = 246
DEVICE_JID = 247
LIST_8 = 248
LIST_16 = 249
JID_PAIR = 250
HEX_8 = 251
BINARY_8 = 252
BINARY_20 = 253
BINARY_32 = 254
NIBBLE_8 = 255
PACKED_MAX = 127  # characters in one packed string
COMPRESSED = 2  # bit of the flag byte

_NIBBLES = "0123456789-.\0\0\0\0"
_HEX_DIGITS = "0123456789ABCDEF"

_tables = json.loads(files(__package__).joinpath("tokens.json").read_text(encoding="utf-8"))
DICTIONARY_VERSION: int = _tables["version"]
_SINGLE: list[str] = _tables["single"]
_DOUBLE: list[list[str]] = _tables["double"]
_CODE_OF_TOKEN: dict[str, bytes] = {
    token: bytes([DICTIONARY_0 + number, index])
    for number, row in enumerate(_DOUBLE)
    for index, token in enumerate(row)
}
_CODE_OF_TOKEN |= {token: bytes([index]) for index, token in enumerate(_SINGLE) if token}


class MalformedNode(ValueError):
    """Bytes that are not a stanza."""


def pack(stanza: Node) -> bytes:
    """Encode `stanza` uncompressed, flag byte included."""
    out = bytearray(b"\0")
    _write_node(out, stanza)
    return bytes(out)


def unpack(data: bytes) -> Node:
    """Decode one packed stanza; raises MalformedNode."""
    if not data:
        raise MalformedNode("empty frame")
    body = data[1:]
    if data[0] & COMPRESSED:
        try:
            body = zlib.decompress(body)
        except zlib.error as error:
            raise MalformedNode(str(error)) from error
    reader = _Reader(body)
    stanza = reader.node()
    if reader.position != len(body):
        raise MalformedNode(f"{len(body) - reader.position} bytes left over")
    return stanza


def _write_node(out: bytearray, stanza: Node) -> None:
    _write_list_start(out, 1 + 2 * len(stanza.attrs) + (stanza.content is not None))
    _write_text(out, stanza.tag)
    for name, value in stanza.attrs.items():
        _write_text(out, name)
        if isinstance(value, Jid):
            _write_jid(out, value)
        else:
            _write_text(out, value)
    if isinstance(stanza.content, bytes):
        _write_bytes(out, stanza.content)
    elif stanza.content is not None:
        _write_list_start(out, len(stanza.content))
        for child in stanza.content:
            _write_node(out, child)


def _write_list_start(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(LIST_EMPTY)
    elif size < 256:
        out += bytes([LIST_8, size])
    else:
        out.append(LIST_16)
        out += size.to_bytes(2)


def _write_jid(out: bytearray, jid: Jid) -> None:
    if jid.device and jid.server in DOMAIN_OF_SERVER:
        out += bytes([DEVICE_JID, DOMAIN_OF_SERVER[jid.server], jid.device])
        _write_text(out, jid.user)
        return
    out.append(JID_PAIR)
    if jid.user:
        _write_text(out, jid.user)
    else:
        out.append(LIST_EMPTY)
    _write_text(out, jid.server)


def _write_text(out: bytearray, text: str) -> None:
    code = _CODE_OF_TOKEN.get(text)
    if code is not None:
        out += code
    elif text and len(text) <= PACKED_MAX and not set(text) - set("0123456789-."):
        _write_packed(out, text, NIBBLE_8, _NIBBLES)
    else:
        _write_bytes(out, text.encode())


def _write_packed(out: bytearray, text: str, tag: int, alphabet: str) -> None:
    odd = len(text) % 2
    out += bytes([tag, (len(text) + 1) // 2 | (odd << 7)])
    values = [alphabet.index(character) for character in text] + [15] * odd
    out += bytes(high << 4 | low for high, low in zip(values[::2], values[1::2], strict=True))


def _write_bytes(out: bytearray, data: bytes) -> None:
    if len(data) < 256:
        out += bytes([BINARY_8, len(data)])
    elif len(data) < 1 << 20:
        out.append(BINARY_20)
        out += len(data).to_bytes(3)
    else:
        out.append(BINARY_32)
        out += len(data).to_bytes(4)
    out += data


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self.data):
            raise MalformedNode("the stanza ends early")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def node(self) -> Node:
        size = self.list_size(self.number(1))
        if size == 0:
            raise MalformedNode("a stanza without a tag")
        stanza = Node(self.text())
        for _ in range((size - 1) // 2):
            name = self.text()
            value = self.value()
            if not isinstance(value, str | Jid):
                raise MalformedNode(f"attribute {name} is neither text nor an address")
            stanza.attrs[name] = value
        if size % 2 == 0:
            stanza.content = self.content()
        return stanza

    def list_size(self, tag: int) -> int:
        if tag == LIST_EMPTY:
            return 0
        if tag in (LIST_8, LIST_16):
            return self.number(tag - LIST_8 + 1)
        raise MalformedNode(f"{tag} is not a list")

    def content(self) -> bytes | list[Node] | None:
        tag = self.data[self.position] if self.position < len(self.data) else LIST_EMPTY
        if tag in (LIST_8, LIST_16):
            self.position += 1
            return [self.node() for _ in range(self.list_size(tag))]
        if tag in (BINARY_8, BINARY_20, BINARY_32):
            self.position += 1
            return self.take(self.binary_size(tag))
        value = self.value()
        return value if value is None else str(value).encode()

    def binary_size(self, tag: int) -> int:
        if tag == BINARY_20:
            return self.number(3) & 0xFFFFF
        return self.number(1 if tag == BINARY_8 else 4)

    def text(self) -> str:
        value = self.value()
        if not isinstance(value, str):
            raise MalformedNode(f"expected text, got {value!r}")
        return value

    def value(self) -> str | Jid | None:
        tag = self.number(1)
        if tag == LIST_EMPTY:
            return None
        if tag in (BINARY_8, BINARY_20, BINARY_32):
            return self.take(self.binary_size(tag)).decode("utf-8", "replace")
        if tag in (NIBBLE_8, HEX_8):
            return self.packed(_NIBBLES if tag == NIBBLE_8 else _HEX_DIGITS)
        if DICTIONARY_0 <= tag < DICTIONARY_0 + len(_DOUBLE):
            return _DOUBLE[tag - DICTIONARY_0][self.number(1)]
        if tag in (JID_PAIR, DEVICE_JID, MESSENGER_JID, INTEROP_JID):
            return self.jid(tag)
        if tag < len(_SINGLE):
            return _SINGLE[tag]
        raise MalformedNode(f"unknown tag {tag}")

    def packed(self, alphabet: str) -> str:
        size = self.number(1)
        text = "".join(alphabet[byte >> 4] + alphabet[byte & 15] for byte in self.take(size & 127))
        return text[:-1] if size & 128 else text

    def jid(self, tag: int) -> Jid:
        if tag == JID_PAIR:
            user = self.value()
            return Jid(str(user or ""), self.text())
        if tag == DEVICE_JID:
            domain, device = self.take(2)
            return Jid(self.text(), SERVER_OF_DOMAIN.get(domain, SERVER_OF_DOMAIN[0]), device)
        user = self.text()
        device = self.number(2)
        if tag == INTEROP_JID:
            self.take(2)  # the integrator
        return Jid(user, self.text(), device)
