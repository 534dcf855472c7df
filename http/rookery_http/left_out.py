"""Leaves out modules that libraries import for work that a process of ours never gives them.

They take longer to load than everything that `rookery serve` or a command needs of these libraries. Only for processes
that Rookery owns, and only while they import: a program that embeds the API imports every library as a whole, and a
module that is needed after all (HTTP/2 and WebSockets with the first WebSocket) is imported as usual then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType

COMMAND = ("anyio", "h2", "httpx._main", "pygments", "rich", "socksio", "trio")
"""What httpx imports if it is installed, and its synchronous client does not need: event loops, HTTP/2, proxies, a
command line."""

SERVER = ("anyio", "colorama", "httpx._main", "pygments", "rich")
"""What httpx and structlog import if it is installed, and a server does not need: a layer over event loops, colours, a
command line."""

QUART = (
    "aiofiles",
    "aiofiles.base",
    "aiofiles.threadpool.binary",
    "click",
    "click.core",
    "click.testing",
    "flask.cli",
    "h2",
    "h2.events",
    "hypercorn.asyncio",
    "hypercorn.trio",
    "jinja2",
    "jinja2.loaders",
    "quart.cli",
    "quart.testing",
    "quart_trio.testing",
    "werkzeug.serving",
    "werkzeug.test",
)
"""What Quart and its libraries always import: files in threads, servers, HTTP/2, test clients, command lines,
templates. We run the application in our own server, and our pages are files."""

HELP = ("rich.markdown", "rich.traceback")
"""What the library for arguments imports to show help, and uses only for other forms of help and for tracebacks."""


class LeftOut:
    """What a name of a module that was left out stands for. Quart makes one and sets its attributes; nothing calls it."""


class _Stand(ModuleType):
    """Has every name that is imported from it, and no modules within."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []

    def __getattr__(self, name: str) -> type[LeftOut]:
        if name.startswith("__"):
            raise AttributeError(name)
        return LeftOut


@contextmanager
def left_out(optional: Iterable[str] = (), required: Iterable[str] = ()) -> Iterator[None]:
    """Inside the block an import of a module in `optional` fails, and one in `required` finds only `LeftOut`. Modules
    that are loaded already stay as they are."""
    stands: dict[str, ModuleType | None] = {name: None for name in optional if name not in sys.modules}
    stands |= {name: _Stand(name) for name in required if name not in sys.modules}
    sys.modules.update(stands)  # type: ignore[arg-type]  # None makes an import fail
    try:
        yield
    finally:
        for name, stand in stands.items():
            if sys.modules.get(name) is stand:
                del sys.modules[name]
