"""Previews of links: what a page declares, and addresses that must not be called."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from rookery.errors import NotConnected, Rejected
from rookery_whatsapp import WorkerSettings
from rookery_whatsapp.link import preview as previews
from rookery_whatsapp.link.fetching import NotPublic, fetch
from rookery_whatsapp.link.preview import first_address, preview
from rookery_whatsapp.worker.calls.conversion import thumbnail, to_sticker
from rookery_whatsapp.worker.calls.web_page import describe

BASE = "https://a.example/b/c"


@pytest.mark.parametrize(
    ("html", "found"),
    [
        (b"<title> Two\n words </title>", {"title": "Two words"}),
        (b"<title>x</title><meta property=og:title content='&lt;b&gt; &#128038;'>", {"title": "<b> \U0001f426"}),
        (
            b"<meta name=Description content=d><meta name=twitter:image content=../i.png>",
            {"description": "d", "image": "https://a.example/i.png"},
        ),
        (
            b"<link rel=canonical href='/page?id=1'><title>t</title>",
            {"title": "t", "url": "https://a.example/page?id=1"},
        ),
        (b"<meta property=og:image content='javascript:alert(1)'>", {}),
        (b"<meta property=og:url content='https://[broken'>", {}),
        (b"<body><title>t</title></head><title>u</title>", {"title": "t"}),
        (b"\xff\xfe\x00<title", {}),
        (b"", {}),
    ],
)
def test_what_a_page_says_of_itself(html: bytes, found: dict[str, str]) -> None:
    assert describe(html, BASE) == found


@pytest.mark.parametrize("piece", [b"<meta ", b"<!--", b"<a b='", b"&#x1F;<", b"<title><title>", b"<![CDATA["])
def test_a_hostile_page_takes_no_long(piece: bytes) -> None:
    began = time.process_time()
    describe(piece * (1_000_000 // len(piece)), BASE)
    assert time.process_time() - began < 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/x(1), or not", "https://a.example/x(1"),
        ("WWW.a.example!", "WWW.a.example"),
        ("<http://a.example/?q=1&r=2>", "http://a.example/?q=1&r=2"),
        ("mail me: a@b.example", None),
    ],
)
def test_the_first_address_of_a_text(text: str, found: str | None) -> None:
    assert first_address(text) == found


async def never(method: str, **arguments: Any) -> Any:
    raise AssertionError("no page was read")


async def test_a_link_to_a_private_address_is_refused() -> None:
    settings = WorkerSettings(allow_private_urls=False)
    for wanted in (
        {"url": "http://127.0.0.1:1/"},
        {"url": "localhost/x"},
        {"url": "https://a.example", "title": "t", "thumbnail": "http://[::1]/x.png"},
    ):
        with pytest.raises(NotPublic, match="url"):
            await preview(wanted, settings, never)


async def test_what_cannot_be_fetched_leaves_the_preview_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(url: str, **options: Any) -> tuple[bytes, str | None]:
        assert options["limit"] <= 5 * 1024 * 1024
        if url.endswith("slow"):
            raise NotConnected("the file at the url cannot be fetched now")
        if url.endswith("gone"):
            raise Rejected("url: its server answered 404")
        return b"{}", "application/json"

    monkeypatch.setattr(previews, "fetch", fetch)
    for url in ("https://a.example/slow", "https://a.example/gone", "https://a.example/data"):
        assert await preview({"url": url}, WorkerSettings(), never) is None
    kept = await preview(
        {"url": "a.example", "title": "t", "thumbnail": "https://a.example/gone"}, WorkerSettings(), never
    )
    assert kept == {"url": "a.example", "title": "t", "description": None}
    assert msgspec.to_builtins(kept)


async def test_a_page_that_names_a_private_picture_has_a_preview_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(url: str, **options: Any) -> tuple[bytes, str | None]:
        if url.startswith("http://localhost"):
            raise NotPublic("url: localhost is not public")
        return b"<title>t</title>", "text/html"

    async def read(method: str, **arguments: Any) -> dict[str, str]:
        return {"title": "t", "image": "http://localhost:3000/og.png"}

    monkeypatch.setattr(previews, "fetch", fetch)
    assert await preview({"url": "https://a.example"}, WorkerSettings(), read) == {
        "url": "https://a.example",
        "title": "t",
        "description": None,
    }


@pytest.mark.parametrize("url", ["https://a.example:99999/", "https://a.example:0/", "http://xn--a/", "http://a..b/"])
async def test_an_address_that_is_none_is_refused_in_words(url: str) -> None:
    with pytest.raises((Rejected, NotConnected), match="url"):
        await fetch(url, limit=10, seconds=5.0, allow_private=False)


def test_a_picture_that_is_a_program_is_not_opened() -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n{} loop\n%%EOF\n"
    with pytest.raises(ValueError, match="no picture"):
        to_sticker(program)
    assert thumbnail(program) is None
