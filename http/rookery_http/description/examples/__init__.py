"""An example for every call: what to send, what comes back, what can go wrong. One module a subject.

They are part of the OpenAPI description and of the page that is made from it. Tests check each against its schema, send
the requests to a real server, and let the command line show the answers; they fail for a call without an example.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import chats, directory, events, keys, media, messages, operations, service, sessions, sinks, webhooks
from .example import Example

__all__ = ["EXAMPLES", "Example", "bodies_of"]

EXAMPLES: Mapping[str, Example] = {
    name: example
    for module in (sessions, directory, messages, chats, events, media, webhooks, sinks, keys, operations, service)
    for name, example in module.EXAMPLES.items()
}
"""By the operation's id."""


def bodies_of(name: str, platforms: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Named example bodies of the call; those of one platform only where the server has that platform."""
    if name == "create_session":
        for platform, given in platforms.items():
            if given.example or not given.credentials.get("required"):
                yield platform, {"platform": platform, **sessions.NEW, **given.example}
        return
    if name in EXAMPLES:
        yield from EXAMPLES[name].bodies.items()
