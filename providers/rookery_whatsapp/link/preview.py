"""Fetches the preview of a link, guarded like files by URL: no private addresses, bounded size and time."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from rookery.errors import NotConnected, Rejected, SendError
from rookery.log import get_logger

from ..settings import WorkerSettings
from .fetching import NotPublic, fetch

LARGEST_PAGE = 512 * 1024  # bytes; more of a page is not read
LARGEST_PICTURE = 5 * 1024 * 1024  # bytes
DEADLINE = 10.0  # seconds for the page and its picture together; after that the message is sent without a preview

_ADDRESS = re.compile(r"\b(?:https?://|www\.)[^\s<>\"']+", re.IGNORECASE)
_AFTER = ".,;:!?)]}"  # ends a sentence, not an address

log = get_logger("SESSION")


def first_address(text: str) -> str | None:
    """The first web address in a text, exactly as written there."""
    found = _ADDRESS.search(text)
    return found[0].rstrip(_AFTER) if found else None


async def preview(
    wanted: Mapping[str, Any], settings: WorkerSettings, call: Callable[..., Awaitable[Any]]
) -> dict[str, Any] | None:
    """The preview that the worker puts into the message: `url` as in the text, `title`, `description` and the bytes
    of a `picture`. None when the page has no title or cannot be fetched: the message is then sent without a preview.

    `wanted`: the caller's own preview, as in `options.Link`; without a title, the page is fetched. Raises Rejected for a URL
    that is not public.
    """
    found = {name: wanted.get(name) for name in ("url", "title", "description", "thumbnail")}
    address = str(found["url"])
    if not address.lower().startswith(("http://", "https://")):
        address = f"https://{address}"
    with trio.move_on_after(DEADLINE):
        try:
            if not found["title"]:
                page, kind = await _get(address, LARGEST_PAGE, settings, cut=True)
                if kind in (None, "text/html", "application/xhtml+xml"):
                    said = await call("read_page", html=page, url=address)
                    for name, word in (("title", "title"), ("description", "description"), ("thumbnail", "image")):
                        found[name] = found[name] or said.get(word)
            if found["title"] and found["thumbnail"]:
                try:
                    found["picture"], _ = await _get(str(found["thumbnail"]), LARGEST_PICTURE, settings)
                except NotPublic as error:
                    if wanted.get("thumbnail"):
                        raise
                    log.info("a link's page names a picture that is not public", error=str(error))
        except NotPublic:
            raise
        except (Rejected, NotConnected, SendError) as error:
            log.info("the preview of a link, or its picture, could not be fetched", error=str(error))
    if not found["title"]:
        return None
    del found["thumbnail"]
    return found


async def _get(url: str, limit: int, settings: WorkerSettings, *, cut: bool = False) -> tuple[bytes, str | None]:
    return await fetch(
        url,
        limit=limit,
        seconds=DEADLINE,
        allow_private=settings.allow_private_urls,
        ca_bundle=settings.ca_bundle,
        cut=cut,
    )
