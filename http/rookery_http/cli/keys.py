"""`rookery keys ...` and `rookery audit`"""

from __future__ import annotations

import secrets
import sys
from typing import Annotated

import typer

from .client import AsJson, Client, Key, Url, given, path_of
from .output import Column, moment, print_fields, print_json, print_line, print_table

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


@app.command("generate-secret")
def generate_secret() -> None:
    """Print a new random secret, for ROOKERY_API_KEY or ROOKERY_SECRET_KEY. Needs no server."""
    print_line(secrets.token_urlsafe(32))


@app.command("list")
def list_keys(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List keys."""
    rows = list(Client(url, key).pages("/v1/keys", "keys", {"limit": 500}))
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="There are no keys; add one with `rookery keys add --scope read`.")


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="The key's id.", show_default=False)],
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show one key. Its secret text is not stored and cannot be shown."""
    found = Client(url, key).call("GET", f"/v1/keys/{path_of(id)}")
    print_json(found) if as_json else print_fields(found)


@app.command()
def add(
    scope: Annotated[list[str], typer.Option(help="read, send, manage or admin; may be repeated.")],
    session: Annotated[list[str] | None, typer.Option(help="Only for this session; may be repeated.")] = None,
    id: Annotated[str | None, typer.Option(help="Its id; made up when absent.")] = None,
    name: Annotated[str, typer.Option(help="A name for people.")] = "",
    rate: Annotated[float | None, typer.Option(help="Requests a second.")] = None,
    days: Annotated[float | None, typer.Option(help="Days until it expires.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Make a key; it is shown now and never again."""
    expires_in = days * 86_400 if days is not None else None
    body = given(id=id, scopes=scope, name=name, sessions=session or None, rate=rate, expires_in=expires_in)
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
    """Revoke a key."""
    answer = Client(url, key).call("DELETE", f"/v1/keys/{path_of(id)}")
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['id']}: revoked")


def audit(
    of: Annotated[str | None, typer.Option(help="Only what this key (its id, admin or local) did.")] = None,
    session: Annotated[str | None, typer.Option(help="Only what was done to this session.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print who changed or sent what, newest first."""
    query = given(key=of, session=session, limit=min(limit, 500))
    pages = Client(url, key).pages("/v1/audit", "entries", query, cursor="before")
    rows = [row for row, _ in zip(pages, range(limit), strict=False)]
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
