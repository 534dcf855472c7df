"""The dashboard: one page of plain HTML, CSS and JavaScript, served as it is.

It is not part of the API and shows only what the API returns: every client that reaches the server may read the files,
and the page asks for a key where one is needed. Its content security policy allows no other origin and no inline
script.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources

import msgspec
from quart import Quart, Response, request

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGES = ("/", "/dashboard")


class _File(msgspec.Struct, frozen=True):
    data: bytes
    media_type: str
    etag: str


def _files() -> Mapping[str, _File]:
    """The files by path. Read once, so that an upgrade of the package never mixes files of two versions."""
    found: dict[str, _File] = {}
    for entry in resources.files(__name__).joinpath("page").iterdir():
        media_type = TYPES.get(entry.name.rpartition(".")[2])
        if media_type is None:
            continue
        data = entry.read_bytes()
        file = _File(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:20]}"')
        if entry.name == "index.html":
            found |= dict.fromkeys(PAGES, file)
        else:
            found[f"/dashboard/{entry.name}"] = file
    return found


FILES = _files()
PATHS = frozenset(FILES)
"""Paths that work without a key."""


def add_dashboard(app: Quart) -> None:
    """Serve the page and its files."""

    async def file() -> Response:
        found = FILES[request.path]
        headers = {**HEADERS, "ETag": found.etag}
        if found.etag.strip('"') in request.if_none_match:
            return Response(b"", 304, headers)
        return Response(found.data, 200, headers, content_type=found.media_type)

    for path in FILES:
        app.add_url_rule(path, f"dashboard {path}", file, methods=["GET"], provide_automatic_options=False)
