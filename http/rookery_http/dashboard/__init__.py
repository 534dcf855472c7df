"""The dashboard: one page of plain HTML, CSS and JavaScript, served as it is.

It is not part of the API and shows only what the API returns: every client that reaches the server may read the files,
and the page asks for a key where one is needed. Its content security policy allows no other origin and no inline
script.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from posixpath import dirname, join, normpath

import msgspec
from quart import Quart, Response, request
from werkzeug.routing import PathConverter

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self'; "
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


PRELOADS = b"<!-- modules -->"
"""Where the page names the modules of its first view, so that a browser asks for all of them at once."""

FIRST = ("main.js", "overview/overview.js")
"""What the first view is made of, with everything that these import."""

STYLES = ("base", "parts", "overview", "sessions", "chats", "events", "endpoints", "system", "narrow")
"""The style sheets, in this order one file: a browser paints nothing before the last of them is there."""

_IMPORT = re.compile(rb'^import [^"]*"([^"]+)";', re.MULTILINE)


class _File(msgspec.Struct, frozen=True, dict=True):
    data: bytes
    media_type: str

    @cached_property
    def packed(self) -> bytes:
        """By gzip, when somebody first asks: most starts of a server show no page."""
        return gzip.compress(self.data, mtime=0)

    @cached_property
    def etag(self) -> str:
        """Weak: one for both forms."""
        return hashlib.sha256(self.data).hexdigest()[:20]


def _read(directory: Traversable, path: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
        elif entry.name.rpartition(".")[2] in TYPES:
            yield f"{path}{entry.name}", entry.read_bytes()


def _modules(texts: Mapping[str, bytes], names: Iterable[str]) -> list[str]:
    """These modules and all that they import, before anything is imported on demand."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            imports = _IMPORT.findall(texts[name])
            waiting += [normpath(join(dirname(name), imported.decode())) for imported in imports]
    return list(found)


def _files() -> Mapping[str, _File]:
    """The files by path. Read once, so that an upgrade of the package never mixes files of two versions."""
    texts = dict(_read(resources.files(__name__).joinpath("page")))
    page = texts.pop("index.html")
    texts["styles.css"] = b"".join(texts.pop(f"styles/{name}.css") for name in STYLES)
    modules = [name for name in _modules(texts, FIRST) if name != "main.js"]
    links = "\n".join(f'<link rel="modulepreload" href="dashboard/{name}">' for name in modules)
    found = dict.fromkeys(PAGES, _File(page.replace(PRELOADS, links.encode()), TYPES["html"]))
    return found | {f"/dashboard/{name}": _File(data, TYPES[name.rpartition(".")[2]]) for name, data in texts.items()}


FILES = _files()
PATHS = frozenset(FILES)
"""Paths that work without a key."""


class _FileConverter(PathConverter):
    """Fits the names of our files."""

    regex = "|".join(re.escape(path.removeprefix("/dashboard/")) for path in FILES if path not in PAGES)


def add_dashboard(app: Quart) -> None:
    """Serve the page and its files."""

    async def file(name: str = "") -> Response:
        found = FILES[request.path]
        headers = {**HEADERS, "ETag": f'W/"{found.etag}"', "Vary": "Accept-Encoding"}
        if request.if_none_match.contains_weak(found.etag):
            return Response(b"", 304, headers)
        if request.accept_encodings["gzip"] > 0:
            headers["Content-Encoding"] = "gzip"
            return Response(found.packed, 200, headers, content_type=found.media_type)
        return Response(found.data, 200, headers, content_type=found.media_type)

    app.url_map.converters["file"] = _FileConverter
    for path in (*PAGES, "/dashboard/<file:name>"):  # a rule for each file would cost 25 ms of the start
        app.add_url_rule(path, f"dashboard {path}", file, methods=["GET"], provide_automatic_options=False)
