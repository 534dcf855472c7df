"""Nothing that a caller gives becomes a header of a multipart body."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

import pytest

from rookery.errors import Rejected
from rookery_telegram.bot_api.multipart import FilePart, Multipart

ODD = [
    'a"; x="y',
    "a\r\nX-Injected: 1\r\n\r\nb",
    "a\nb",
    "a\rb",
    "a\0b",
    "a\u2028b",
    "\\",
    "\u00e4\u2603",
    "a;b",
    "a\x85b",
]


async def parts_of(body: Multipart) -> list[Message]:
    """The body's parts, as a stranger's parser reads them."""
    data = b"".join([piece async for piece in body.pieces()])
    assert len(data) == body.size
    whole = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + data)
    assert whole.is_multipart()
    return [part for part in whole.get_payload() if isinstance(part, Message)]


@pytest.mark.parametrize("odd", ODD)
async def test_names_cannot_write_headers(odd: str) -> None:
    file = FilePart(odd, "image/png", b"bytes", 5)
    field, first, second = await parts_of(Multipart({odd: f"--\r\n{odd}"}, {odd: file, "photo": file}))
    assert field.keys() == ["Content-Disposition"]
    for part in (first, second):
        assert part.keys() == ["Content-Disposition", "Content-Type"]
        assert part.get_payload(decode=True) == b"bytes"
        assert part.get_content_type() == "image/png"
    for part in (field, first, second):
        assert str(part["Content-Disposition"]).isprintable()


@pytest.mark.parametrize("kind", ["image/png\r\nX: y", "image/png\n", "image", "", "a/b\0", "\u00e4/b", "a/b; c\r\nd"])
def test_a_media_type_cannot_write_headers(kind: str) -> None:
    with pytest.raises(Rejected, match="mime_type"):
        Multipart({}, {"photo": FilePart("a.png", kind, b"", 0)})
