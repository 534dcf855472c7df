"""Reads the title, description and picture that a web page declares, as the preview of a link shows them.

It runs in the worker, so that a page that breaks the parser harms neither the engine nor the events of other sessions.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

LARGEST_HEAD = 128 * 1024
"""Bytes of a page that are parsed: its own description is near the beginning."""
LONGEST = {"title": 300, "description": 500, "url": 2048, "image": 2048}  # characters
NAMES = {
    "title": ("og:title", "twitter:title"),
    "description": ("og:description", "twitter:description", "description"),
    "image": ("og:image:secure_url", "og:image:url", "og:image", "twitter:image", "twitter:image:src"),
    "url": ("og:url",),
}
_END = re.compile(rb"</head\s*>", re.IGNORECASE)


def describe(page: bytes, address: str) -> dict[str, str]:
    """`title`, `description`, `image` and `url` (the page's own address), each only if the page names it; addresses are
    absolute."""
    from lxml import etree, html

    head = page[:LARGEST_HEAD]
    if end := _END.search(head):
        head = head[: end.start()]
    try:
        root = html.document_fromstring(head, parser=html.HTMLParser(no_network=True, encoding=_encoding(head)))
    except (etree.LxmlError, ValueError, AssertionError):
        return {}
    named: dict[str, str] = {}
    for tag in root.iter("meta"):
        name, content = tag.get("property") or tag.get("name"), tag.get("content")
        if name and content and content.strip():
            named.setdefault(name.strip().lower(), content)
    found: dict[str, Any] = {}
    for word, names in NAMES.items():
        found[word] = next((named[name] for name in names if name in named), "")
    if not found["title"]:
        found["title"] = next((tag.text_content() for tag in root.iter("title")), "")
    if not found["url"]:
        links = (tag.get("href", "") for tag in root.iter("link") if tag.get("rel", "").lower() == "canonical")
        found["url"] = next(links, "")
    for word in ("image", "url"):
        if found[word]:
            found[word] = _absolute(address, str(found[word]).strip())
    clean = {word: " ".join(str(text).split())[: LONGEST[word]] for word, text in found.items()}
    return {word: text for word, text in clean.items() if text}


def _encoding(head: bytes) -> str | None:
    """UTF-8 if the page decodes as such; otherwise the encoding that it declares, or the parser's guess."""
    try:
        head[:-3].decode()
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _absolute(base: str, address: str) -> str:
    try:
        whole = urljoin(base, address)
    except ValueError:
        return ""
    return whole if whole.startswith(("http://", "https://")) else ""
