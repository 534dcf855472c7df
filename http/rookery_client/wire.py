"""Builds requests and reads answers without I/O, for both clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import ClientError, InvalidAddress, InvalidKey, InvalidRequest, Unreachable, refusal, shown

if TYPE_CHECKING:
    import httpx

    from .events import Event

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = 75.0
"""Seconds for an answer; longer than the longest wait for a send (60 s)."""

RETRIES = 2
"""How many times a repeatable request is repeated after a failed connection."""

RETRY_PAUSE = 0.5
"""Seconds before the first repetition; each further one waits twice as long."""

STREAM_SILENCE = 60.0
"""Seconds without a byte after which a stream counts as broken; the server sends a heartbeat far more often (15 s)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the API. `repeatable`: carrying it out twice has the same effect as once."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False

    def options(self) -> dict[str, Any]:
        """The keyword arguments for httpx. Raises InvalidRequest."""
        options: dict[str, Any] = {"params": given(**self.params), "headers": dict(self.headers)}
        for name, value in self.headers.items():
            check_header(name, value)
        if self.json is not None:
            options["content"] = _encoded(self.json)
            options["headers"]["Content-Type"] = "application/json"
        return options


def given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def path(*parts: object) -> str:
    """A path from these parts, quoted. Raises InvalidRequest."""
    return "/v1/" + "/".join(map(quoted, parts))


def quoted(part: object) -> str:
    """Quote one part of a path: an empty part is kept, and dots cannot lead to another path. Raises InvalidRequest."""
    text = str(part)
    try:
        quoted = quote(text, safe="") or "%20"
    except UnicodeEncodeError:
        raise InvalidRequest(f"{text!a} contains characters that a URL cannot encode") from None
    return text.replace(".", "%2E") if text in (".", "..") else quoted


def _encoded(document: Any) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from None


def check_header(name: str, value: str) -> None:
    """Raises InvalidRequest; the error does not quote the value, which may be secret."""
    if not (value.isascii() and value.isprintable()):
        raise InvalidRequest(f"{name}: a header may contain printable ASCII only; is there a line break at the end?")


def headers_of(key: str | None) -> dict[str, str]:
    """The headers of a request with this key. Raises InvalidKey."""
    if key and not (key.isascii() and key.isprintable()):
        raise InvalidKey
    return {"Authorization": f"Bearer {key}"} if key else {}


def check(answer: httpx.Response, url: str) -> None:
    """Raises Refused if the server answered with an error, Unreachable if the answer is not from a Rookery server.

    The body must have been read.
    """
    url = shown(url)
    if answer.status_code < 400:
        return
    try:
        problem = answer.json()
        known = isinstance(problem, dict) and isinstance(problem.get("title"), str)
    except ValueError:
        known = False
    if not known:
        raise Unreachable(f"{shown(url)} answered {answer.status_code}: is it a Rookery server?")
    try:
        retry_after = float(answer.headers["Retry-After"])
    except (KeyError, ValueError):
        retry_after = None
    raise refusal(answer.status_code, problem, retry_after)


def document(answer: httpx.Response, url: str) -> Any:
    """The JSON of a successful answer; None if it has no body."""
    check(answer, url)
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        raise Unreachable(f"{shown(url)} answered something that is not JSON: is it a Rookery server?") from None


def translated(error: Exception, url: str) -> ClientError:
    """Our error for an error of httpx."""
    import httpx

    url = shown(url)
    if isinstance(error, httpx.ConnectError):
        return Unreachable(f"no server answers at {shown(url)}")
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return InvalidAddress(url)
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(f"{shown(url)} did not answer in time")
    return Unreachable(f"the connection to {shown(url)} failed: {error or type(error).__name__}")


class EventLines:
    """Parses server-sent events from the lines of a stream (the fields that Rookery uses: `id`, `event`, `data`)."""

    def __init__(self) -> None:
        self._data: list[str] = []

    def feed(self, line: str) -> dict[str, Any] | None:
        """The event's document if this line completes one, otherwise None."""
        if line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
            return None
        if line or not self._data:
            return None
        text, self._data = "\n".join(self._data), []
        try:
            event = json.loads(text)
        except ValueError:
            return None
        return event if isinstance(event, dict) and "id" in event else None


def pauses(retries: int) -> Iterator[float]:
    """Seconds to wait before each repetition."""
    return (RETRY_PAUSE * 2**number for number in range(retries))


def blocks(file: Any, size: int = 256 * 1024) -> Iterable[bytes]:
    """The contents of a file in chunks."""
    while block := file.read(size):
        yield block


def typed_event(document: Mapping[str, Any]) -> Event:
    """The event of this JSON, as its type's own class. Raises ValueError if it is not an event.

    There are many classes, so they load with the first event: a program that reads no events starts a third faster.
    """
    from .typed_events import event_of

    return event_of(document)
