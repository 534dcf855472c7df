"""The known methods of the Bot API, and those that would end a session. Pure.

`bot_api.json` lists every method of the version that it names, with its parameters: `"chat_id": "chat!"` is a chat, and
required; `objects` explains types such as `[MessageEntity]`. The list serves descriptions, checks and suggestions; calls
of methods are not checked against it, so newer ones and newer parameters pass.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

import msgspec

from rookery.errors import MethodForbidden, NotFound

OTHER = "other"
"""The name in metrics for every method that is not in the list."""

FORBIDDEN = {
    "getupdates": "Rookery polls this bot: read its updates from the event log, a webhook or a stream",
    "setwebhook": "Rookery polls this bot: create a webhook of Rookery's for the session",
    "deletewebhook": "Rookery deletes it whenever the session connects: restart the session",
    "logout": "it would leave the session without its server: POST /v1/sessions/{id}/telegram-server stores first what waits",
    "close": "it would leave the session without its server: POST /v1/sessions/{id}/telegram-server stores first what waits",
}
"""What to do instead of calling a method, by lower-case name: the server ignores case."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{1,63}")


class Catalogue(msgspec.Struct, frozen=True):
    """`methods`: the parameters of each method, by name, with their types; `!` marks those that are required. `objects`: the
    fields of each object that parameters lead to, likewise."""

    version: str
    methods: dict[str, dict[str, str]]
    objects: dict[str, dict[str, str]]


@cache
def catalogue() -> Catalogue:
    """The list, read once."""
    return msgspec.json.decode(files(__package__).joinpath("bot_api.json").read_bytes(), type=Catalogue)


@cache
def _by_lower_case() -> dict[str, str]:
    return {name.lower(): name for name in catalogue().methods}


def check_method(method: str) -> str:
    """Returns the method's name for metrics. Raises NotFound, MethodForbidden."""
    if not _NAME.fullmatch(method):
        raise NotFound("method", method[:64])
    if (instead := FORBIDDEN.get(method.lower())) is not None:
        raise MethodForbidden(f"{method} cannot be called: {instead}")
    return _by_lower_case().get(method.lower(), OTHER)


def unknown_method(method: str) -> NotFound:
    """The error for a method that the server does not know, with the nearest known name."""
    near = get_close_matches(method.lower(), _by_lower_case(), 1)
    error = NotFound("method", method)
    if near and (name := _by_lower_case()[near[0]]) != method:
        error.args = (f"{error}; did you mean {name}?",)
    return error


def is_message(method: str) -> bool:
    """True for a method that sends to a chat, so that the platform counts it."""
    return method.lower().startswith(("send", "copy", "forward")) and method.lower() != "sendchataction"


def takes_chat(method: str) -> bool:
    """True for a method with a parameter `chat_id`, and for a method that is not in the list."""
    name = _by_lower_case().get(method.lower())
    return name is None or "chat_id" in catalogue().methods[name]
