"""Talking to a running server, with errors in words and exit codes: 1 it refused, 2 the address is none, 3 nobody answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

Url = Annotated[
    str | None,
    typer.Option(envvar="ROOKERY_URL", help="Address of the server.", show_default="http://127.0.0.1:8080"),
]
Key = Annotated[str | None, typer.Option(envvar="ROOKERY_API_KEY", help="Its key.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

TIMEOUT = 75.0
"""Seconds; longer than the longest wait for a send."""


BLOCK = 256 * 1024
"""Bytes of a file that are read at a time."""


class ClientError(Exception):
    """The text is for people, one line."""

    exit_code = 1


class WrongAddress(ClientError):
    """What should be the server's address is none."""

    exit_code = 2

    def __init__(self, url: str) -> None:
        super().__init__(f"{url!r} is not an address such as http://127.0.0.1:8080")


class NoServer(ClientError):
    """Nobody answers, or not as a Rookery server would."""

    exit_code = 3


class Client:
    """One server."""

    def __init__(self, url: str | None, key: str | None) -> None:
        import httpx

        self.url = (url or f"http://127.0.0.1:{os.environ.get('ROOKERY_PORT') or 8080}").rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=False)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            raise WrongAddress(self.url) from None

    def text(self, path: str, accept: str) -> bytes:
        """A successful answer that is not JSON, in the form that `accept` names."""
        with self._errors():
            answer = self._http.get(path, headers={"Accept": accept})
            self._check(answer)
            content: bytes = answer.content
            return content

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """The JSON of a successful answer."""
        with self._errors():
            answer = self._http.request(method, path, headers=headers, **options)
            self._check(answer)
            return answer.json()

    def upload(self, path: str, file: Any, *, size: int, **options: Any) -> Any:
        """The JSON of the answer to a file, which is read while it is sent."""
        with self._errors():
            headers = {"Content-Length": str(size)} | options.pop("headers", {})
            answer = self._http.post(path, content=_blocks(file), headers=headers, **options)
            self._check(answer)
            return answer.json()

    def download(self, path: str) -> Iterator[bytes]:
        """The pieces of an answer of any size."""
        with self._errors(), self._http.stream("GET", path) as answer:
            if answer.status_code >= 400:
                answer.read()
            self._check(answer)
            yield from answer.iter_bytes()

    def follow(self, path: str, **options: Any) -> Iterator[str]:
        """The lines of an answer without an end."""
        with self._errors(), self._http.stream("GET", path, timeout=None, **options) as answer:
            if answer.status_code >= 400:
                answer.read()
            self._check(answer)
            yield from answer.iter_lines()

    def pages(
        self, path: str, name: str, params: Mapping[str, Any], *, cursor: str = "after", first: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of all pages; `cursor` is the parameter that takes `next`, `first` its value for the first page."""
        after: Any = first
        while True:
            page = self.call("GET", path, params=given(**dict(params) | {cursor: after}))
            yield from page[name]
            after = page["next"]
            if after is None:
                return

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.ConnectError:
            raise NoServer(
                f"no server answers at {self.url}: start one with `rookery serve`, or name it in ROOKERY_URL"
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise WrongAddress(self.url) from None
        except httpx.TimeoutException:
            raise NoServer(f"{self.url} did not answer in time") from None
        except httpx.HTTPError as error:
            raise NoServer(f"the connection to {self.url} failed: {error}") from None
        except ValueError:
            raise NoServer(f"{self.url} answered something that is not JSON: is it a Rookery server?") from None

    def _check(self, answer: Any) -> None:
        if answer.status_code < 400:
            return
        try:
            problem = answer.json()
            text = f"{problem['title']}: {problem['detail']}"
        except (ValueError, KeyError, TypeError):
            raise NoServer(f"{self.url} answered {answer.status_code}: is it a Rookery server?") from None
        if answer.status_code == 401:
            text += " (ROOKERY_API_KEY or --key)"
        raise ClientError(text)


def _blocks(file: Any) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def confirm(question: str, yes: bool) -> None:
    """Ask a person, unless `yes` was given. Raises ClientError when nobody agrees, or nobody is there to be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ClientError("nothing was done: add --yes, nobody can be asked here")
    if not typer.confirm(question):
        raise ClientError("nothing was done")


def path_of(id: str) -> str:
    """An id inside a path."""
    from urllib.parse import quote

    return quote(id, safe="") or "%20"


def document_of(text: str, option: str) -> dict[str, Any]:
    """A JSON object that was given as an option; `-` reads it from standard input."""
    try:
        document = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{option} takes a JSON object, such as '{{\"a\": 1}}'")
    return document


def given(**fields: Any) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in fields.items() if value is not None}
