"""Talking to a running server, with errors in words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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


class ClientError(Exception):
    """The text is for people."""


class Client:
    """One server."""

    def __init__(self, url: str | None, key: str | None) -> None:
        import httpx

        self.url = (url or f"http://127.0.0.1:{os.environ.get('ROOKERY_PORT') or 8080}").rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT, trust_env=False)
        except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
            raise ClientError(f"{self.url!r} is not an address such as http://127.0.0.1:8080") from None

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """The JSON of a successful answer."""
        with self._errors():
            answer = self._http.request(method, path, headers=headers, **options)
            self._check(answer)
            return answer.json()

    def follow(self, path: str, **options: Any) -> Iterator[str]:
        """The lines of an answer without an end."""
        with self._errors(), self._http.stream("GET", path, timeout=None, **options) as answer:
            if answer.status_code >= 400:
                answer.read()
            self._check(answer)
            yield from answer.iter_lines()

    def pages(self, path: str, name: str, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of all pages."""
        after: Any = None
        while True:
            query = {key: value for key, value in params.items() if value is not None}
            page = self.call("GET", path, params=query | ({"after": after} if after is not None else {}))
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
            raise ClientError(
                f"no server answers at {self.url}: start one with `rookery serve`, or name it in ROOKERY_URL"
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ClientError(f"{self.url!r} is not an address such as http://127.0.0.1:8080") from None
        except httpx.TimeoutException:
            raise ClientError(f"{self.url} did not answer in time") from None
        except httpx.HTTPError as error:
            raise ClientError(f"the connection to {self.url} failed: {error}") from None
        except ValueError:
            raise ClientError(f"{self.url} answered something that is not JSON: is it a Rookery server?") from None

    def _check(self, answer: Any) -> None:
        if answer.status_code < 400:
            return
        try:
            problem = answer.json()
            text = f"{problem['title']}: {problem['detail']}"
        except (ValueError, KeyError, TypeError):
            text = f"{self.url} answered {answer.status_code}: is it a Rookery server?"
        if answer.status_code == 401:
            text += " (ROOKERY_API_KEY or --key)"
        raise ClientError(text)


def print_json(value: Any) -> None:
    """For programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


Column = tuple[str, Callable[[dict[str, Any]], object]]


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[Column], *, empty: str) -> None:
    """For people; `empty` is said when there is nothing."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 200)
    if not rows:
        console.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if (value := of(row)) is None else str(value)) for _, of in columns))
    console.print(table)


def moment(text: str | None) -> str | None:
    """A time of the API in local time."""
    if text is None:
        return None
    from datetime import datetime

    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
