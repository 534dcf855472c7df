"""`rookery logs`, `rookery settings` and `rookery doctor`: a server's log, its settings, and what it needs to work."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from .client import AsJson, Client, Key, Url, given
from .output import Column, moment, print_json, print_line, print_table

WAIT = 25.0
"""Seconds that one request waits for the next line."""


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl+C.")] = False,
    level: Annotated[str | None, typer.Option(help="The least important level, such as WARNING.")] = None,
    session: Annotated[str | None, typer.Option(help="Only of this session.")] = None,
    text: Annotated[str | None, typer.Option(help="Only lines with this in them.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=500)] = 200,
    wait: Annotated[
        float | None, typer.Option(help="Seconds to wait for a line when there is none.", min=0, max=60)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one document.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print the newest lines of the server's log."""
    client = Client(url, key)
    query = given(level=level.upper() if level else None, session=session, q=text, limit=limit, wait=wait)
    page = client.call("GET", "/v1/logs", params=query)
    if as_json and not follow:
        print_json(page)
        return
    _print(page["lines"])
    while follow:
        page = client.call("GET", "/v1/logs", params=query | {"after": page["next"], "wait": WAIT})
        _print(page["lines"])


def _print(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        fields = " ".join(f"{name}={value}" for name, value in line["fields"].items())
        print_line(
            f"{moment(line['at'])}  {line['level']:<8}  {line['component']:<9} {line['text']}  {fields}".rstrip()
        )
        for part in (line["trace"] or "").splitlines():
            print_line(f"    {part}")


SETTINGS: list[Column] = [
    ("variable", lambda row: row["name"]),
    ("value", lambda row: row["value"]),
    ("default", lambda row: row["default"]),
    ("", lambda row: "changed" if row["changed"] else ""),
]


def settings(
    server: Annotated[bool, typer.Option("--server", help="Those in force on a running server.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print all settings as a Markdown page (docs/settings.md), or those in force on a running server."""
    if server:
        found = Client(url, key).call("GET", "/v1/settings")
        if as_json:
            print_json(found)
        else:
            print_line(f"Rookery {found['version']}, Python {found['python']}, {found['store']}")
            print_table(found["settings"], SETTINGS, empty="")
        return
    from ..config.table import markdown

    sys.stdout.write(markdown())


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of lines.")] = False,
    stop_grace: Annotated[
        float | None, typer.Option(help="Seconds that the container gives between SIGTERM and SIGKILL.", min=0)
    ] = None,
    server: Annotated[bool, typer.Option("--server", help="Let the running server look instead.")] = False,
    url: Url = None,
    key: Key = None,
) -> int:
    """Check settings, database, key, network, limits and clock, and advise what to do.

    Reads only, also beside a running server. Exit codes: 0 when it can work, also with warnings; 1 when it cannot.
    """
    document = Client(url, key).call("GET", "/v1/doctor") if server else _looked_at(stop_grace)
    if json:
        print_json(document)
    else:
        for finding in document["findings"]:
            print_line(f"{finding['level']:<8} {finding['subject']}: {finding['detail']}")
            if finding["advice"]:
                print_line(f"{'':<8} -> {finding['advice']}")
    return 1 if document["verdict"] == "error" else 0


def _looked_at(stop_grace: float | None) -> dict[str, Any]:
    """The findings of this process, in the form of the server's answer."""
    from functools import partial

    import msgspec
    import trio

    from ..operate.doctor import examine
    from ..operate.finding import worst
    from ..platforms import providers

    findings = trio.run(partial(examine, os.environ, providers, stop_grace=stop_grace))
    return {"verdict": worst(findings), "findings": msgspec.to_builtins(findings)}
