"""Talks to a running server. Errors become sentences and exit codes: 1 refused, 2 invalid address, 3 no answer."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ..left_out import COMMAND, left_out

Url = Annotated[
    str | None,
    typer.Option(envvar="ROOKERY_URL", help="Address of the server.", show_default="http://127.0.0.1:8080"),
]
Key = Annotated[str | None, typer.Option(envvar="ROOKERY_API_KEY", help="Its key.", show_envvar=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

TIMEOUT = 75.0
"""Seconds; more than the longest wait for a send."""


class ClientError(Exception):
    """An error of a command; its text is one line for people."""

    exit_code = 1


class WrongAddress(ClientError):
    """The given server address is not a valid address."""

    exit_code = 2

    def __init__(self, url: str) -> None:
        from rookery_client.errors import shown

        super().__init__(f"{shown(url)!r} is not an address such as http://127.0.0.1:8080")


class WrongKey(ClientError):
    """The given key cannot be a key."""

    exit_code = 2


class NoServer(ClientError):
    """No server answers, or its answer is not that of a Rookery server."""

    exit_code = 3


class Client:
    """One server, through `rookery_client`, whose errors become a command's errors."""

    def __init__(self, url: str | None, key: str | None) -> None:
        self.url = (url or f"http://127.0.0.1:{os.environ.get('ROOKERY_PORT') or 8080}").rstrip("/")
        with left_out(COMMAND):
            from rookery_client import Client as Library

            with self._errors():
                self._client = Library(self.url, key, timeout=TIMEOUT)

    def text(self, path: str, accept: str) -> bytes:
        """A successful answer that is not JSON, in the form that `accept` names."""
        with self._errors():
            return self._client.request("GET", path, headers={"Accept": accept}).content

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """The JSON of a successful answer."""
        with self._errors():
            return self._client.document(method, path, headers=headers, **options)

    def upload(self, path: str, file: Any, *, size: int, **options: Any) -> Any:
        """Send a file, read while it is sent; returns the JSON of the answer."""
        from rookery_client.wire import blocks

        headers = {"Content-Length": str(size)} | options.pop("headers", {})
        with self._errors():
            return self._client.document("POST", path, content=blocks(file), headers=headers, **options)

    def download(self, path: str) -> Iterator[bytes]:
        """The pieces of an answer of any size."""
        with self._errors():
            yield from self._client.pieces(path)

    def follow(self, path: str, **options: Any) -> Iterator[str]:
        """The lines of an endless answer."""
        with self._errors():
            yield from self._client.lines(path, **options)

    def pages(
        self, path: str, name: str, params: Mapping[str, Any], *, cursor: str = "after", first: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """The rows of all pages; `cursor` is the parameter that takes `next`, `first` its value for the first page."""
        from rookery_client.wire import Request

        with self._errors():
            yield from self._client.pages(Request("GET", path, dict(params) | {cursor: first}), name, cursor=cursor)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        from rookery_client.errors import InvalidAddress, InvalidKey, InvalidRequest, Refused, Unauthorized, Unreachable

        try:
            yield
        except InvalidAddress:
            raise WrongAddress(self.url) from None
        except InvalidKey as error:
            raise WrongKey(f"ROOKERY_API_KEY or --key: {error}") from None
        except Unauthorized as error:
            raise ClientError(f"{error} (ROOKERY_API_KEY or --key)") from None
        except (Refused, InvalidRequest) as error:
            raise ClientError(str(error)) from None
        except Unreachable as error:
            hint = (
                ": start one with `rookery serve`, or name it in ROOKERY_URL"
                if "no server answers" in str(error)
                else ""
            )
            raise NoServer(f"{error}{hint}") from None


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation, unless `yes` was given. Raises ClientError without consent or without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ClientError("nothing was done: this is not a terminal, so confirm with --yes")
    if not typer.confirm(question):
        raise ClientError("nothing was done")


def path_of(id: str) -> str:
    """An id, quoted for use in a path. Raises ClientError."""
    from rookery_client.errors import InvalidRequest
    from rookery_client.wire import quoted

    try:
        return quoted(id)
    except InvalidRequest as error:
        raise ClientError(str(error)) from None


def document_of(text: str, option: str) -> dict[str, Any]:
    """A JSON object from an option; `-` reads it from standard input."""
    try:
        document = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise typer.BadParameter(f"{option} takes a JSON object, such as '{{\"a\": 1}}'")
    return document


def list_of(text: str, argument: str) -> list[Any]:
    """A JSON list from an argument; `-` reads it from standard input."""
    try:
        items = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise typer.BadParameter(f'{argument} takes a JSON list, such as \'[{{"to": "7", "text": "hi"}}]\'')
    return items


def given(**fields: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in fields.items() if value is not None}
