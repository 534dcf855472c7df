"""`rookery sessions ...`"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Column, Key, Url, moment, print_json, print_table

app = typer.Typer(help="Look at sessions and steer them.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The session's id.", show_default=False)]

COLUMNS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("platform", lambda row: row["platform"]),
    ("enabled", lambda row: "yes" if row["enabled"] else "no"),
    ("status", lambda row: row["status"]),
    ("reason", lambda row: row["reason"]),
    ("since", lambda row: moment(row["since"])),
    ("to do", lambda row: "" if row["action"] == "none" else row["action"]),
    ("detail", lambda row: row["detail"]),
]


def _show(session: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(session)
    else:
        rows = [{"name": name, "value": value} for name, value in session.items() if value not in (None, {}, [])]
        print_table(rows, [("field", lambda row: row["name"]), ("value", lambda row: row["value"])], empty="")


@app.command("list")
def list_sessions(
    platform: Annotated[str | None, typer.Option(help="Only of this platform.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List all sessions."""
    query = {"platform": platform, "status": status.upper() if status else None, "limit": 500}
    rows = list(Client(url, key).pages("/v1/sessions", "sessions", query))
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="There are no sessions; add one with `rookery sessions add`.")


@app.command()
def show(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show everything about a session."""
    _show(Client(url, key).call("GET", f"/v1/sessions/{path_of(id)}"), as_json)


@app.command()
def add(
    id: Annotated[str | None, typer.Argument(help="Its id; made up when absent.", show_default=False)] = None,
    platform: Annotated[str, typer.Option(help="The platform.")] = "telegram",
    token: Annotated[
        str | None,
        typer.Option(envvar="ROOKERY_TOKEN", help="The bot's token; `-` reads it from standard input."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Do not start it yet.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a session and start it."""
    if token == "-":  # noqa: S105
        token = sys.stdin.readline().strip()
    document: dict[str, Any] = {"id": id, "platform": platform, "name": name, "enabled": not disabled}
    if token:
        document["credentials"] = {"token": token}
    body = {field: value for field, value in document.items() if value is not None}
    _show(Client(url, key).call("POST", "/v1/sessions", json=body), as_json)


def _verb(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    def command(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
        session = Client(url, key).call("POST", f"/v1/sessions/{path_of(id)}/{verb}")
        if as_json:
            print_json(session)
        else:
            print_table([session], COLUMNS, empty="")


_verb("start", "Enable a session and connect it.")
_verb("stop", "Disable a session and disconnect it; nothing is logged out.")
_verb("restart", "Replace a session's connection by a new one.")
_verb("retry", "Try again now instead of waiting.")
_verb("logout", "End the authorisation at the platform.")


@app.command()
def delete(
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Delete a session for good."""
    if not yes and not typer.confirm(f"Delete the session {id!r} with its credentials?"):
        raise ClientError("nothing was deleted")
    report = Client(url, key).call("DELETE", f"/v1/sessions/{path_of(id)}")
    if as_json:
        print_json(report)
    else:
        sys.stdout.write(f"{report['id']}: {report['detail']}\n")


@app.command()
def history(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show a session's last changes of status."""
    rows = Client(url, key).call("GET", f"/v1/sessions/{path_of(id)}/history")["history"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("at", lambda row: moment(row["at"])),
        ("status", lambda row: row["status"]),
        ("reason", lambda row: row["reason"]),
        ("detail", lambda row: row["detail"]),
    ]
    print_table(rows, columns, empty="Nothing has happened yet.")


def path_of(id: str) -> str:
    """An id inside a path."""
    from urllib.parse import quote

    return quote(id, safe="") or "%20"
