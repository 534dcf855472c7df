"""`rookery keys ...` and `rookery audit`"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .client import AsJson, Client, Column, Key, Url, moment, print_json, print_table
from .sessions import path_of

app = typer.Typer(help="Keys for programs, and what they may do.", no_args_is_help=True)

COLUMNS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("name", lambda row: row["name"]),
    ("scopes", lambda row: ", ".join(row["scopes"])),
    ("sessions", lambda row: ", ".join(row["sessions"]) if row["sessions"] else "all"),
    ("rate", lambda row: row["rate"]),
    ("expires", lambda row: moment(row["expires_at"])),
    ("last used", lambda row: moment(row["last_used_at"])),
]


@app.command("list")
def list_keys(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List keys."""
    rows = list(Client(url, key).pages("/v1/keys", "keys", {"limit": 500}))
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="There are no keys; add one with `rookery keys add --scope read`.")


@app.command()
def add(
    scope: Annotated[list[str], typer.Option(help="read, send, manage or admin; may be repeated.")],
    session: Annotated[list[str] | None, typer.Option(help="Only for this session; may be repeated.")] = None,
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    rate: Annotated[float | None, typer.Option(help="Requests a second.")] = None,
    days: Annotated[float | None, typer.Option(help="Days until it expires.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a key; it is shown now and never again."""
    document: dict[str, Any] = {"scopes": scope, "name": name, "sessions": session or None, "rate": rate}
    document["expires_in"] = days * 86_400 if days is not None else None
    body = {field: value for field, value in document.items() if value is not None}
    made = Client(url, key).call("POST", "/v1/keys", json=body)
    if as_json:
        print_json(made)
    else:
        print_table([made], COLUMNS, empty="")
        sys.stdout.write(f"\n{made['key']}\n")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="The key's id.", show_default=False)],
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Take a key out of use."""
    answer = Client(url, key).call("DELETE", f"/v1/keys/{path_of(id)}")
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"{answer['id']}: revoked\n")


def audit(
    of: Annotated[str | None, typer.Option(help="Only what this key (its id, admin or local) did.")] = None,
    session: Annotated[str | None, typer.Option(help="Only what was done to this session.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 50,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print who changed or sent what, newest first."""
    query = {name: value for name, value in (("key", of), ("session", session), ("limit", limit)) if value is not None}
    rows = Client(url, key).call("GET", "/v1/audit", params=query)["entries"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("at", lambda row: moment(row["at"])),
        ("key", lambda row: row["key"]),
        ("call", lambda row: row["call"]),
        ("session", lambda row: row["session"]),
        ("target", lambda row: row["target"]),
        ("outcome", lambda row: row["outcome"]),
    ]
    print_table(rows, columns, empty="Nothing was recorded yet.")
