"""`rookery sessions ...`"""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from . import pairing
from .client import AsJson, Client, Key, Url, confirm, document_of, given, path_of
from .output import Column, moment, print_fields, print_json, print_line, print_table
from .platforms import platform_methods

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


UNDER_WAY = frozenset({"INITIALIZING", "LOADING"})
LOOK_INTERVAL = 0.1  # seconds


def _show(session: dict[str, Any], as_json: bool) -> None:
    print_json(session) if as_json else print_fields(session)


@app.command("list")
def list_sessions(
    platform: Annotated[str | None, typer.Option(help="Only of this platform.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this status.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="Only those that are.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List all sessions."""
    query = given(platform=platform, status=status.upper() if status else None, enabled=enabled, limit=500)
    rows = list(Client(url, key).pages("/v1/sessions", "sessions", query))
    if as_json:
        print_json(rows)
    else:
        print_table(rows, COLUMNS, empty="There are no sessions; add one with `rookery sessions add`.")


@app.command()
def show(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show everything about a session."""
    _show(Client(url, key).call("GET", f"/v1/sessions/{path_of(id)}"), as_json)


Token = Annotated[
    str | None, typer.Option(envvar="ROOKERY_TOKEN", help="The bot's token; `-` reads it from standard input.")
]
Credential = Annotated[
    list[str] | None, typer.Option(help="Another credential as NAME=VALUE, such as account=4915112345678; repeatable.")
]
Settings = Annotated[str | None, typer.Option(help="Settings of the platform, a JSON object.")]
Metadata = Annotated[str | None, typer.Option(help="Whatever you want to keep with it, a JSON object.")]


def _credentials(token: str | None, others: list[str] | None) -> dict[str, str] | None:
    if token == "-":  # noqa: S105
        token = sys.stdin.readline().strip()
    found = {"token": token} if token else {}
    for other in others or ():
        name, equals, value = other.partition("=")
        if not equals:
            raise typer.BadParameter("--credential takes NAME=VALUE")
        found[name] = value
    return found or None


@app.command()
def add(
    id: Annotated[str | None, typer.Argument(help="Its id; made up when absent.", show_default=False)] = None,
    platform: Annotated[str, typer.Option(help="The platform.")] = "telegram",
    token: Token = None,
    credential: Credential = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    settings: Settings = None,
    metadata: Metadata = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Do not start it yet.")] = False,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait until it is connected or says what it needs.", min=0)
    ] = 15.0,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a session, start it, and show how that went."""
    body = given(
        id=id,
        platform=platform,
        name=name,
        enabled=not disabled,
        credentials=_credentials(token if platform == "telegram" else None, credential),
        settings=document_of(settings, "--settings") if settings is not None else None,
        metadata=document_of(metadata, "--metadata") if metadata is not None else None,
    )
    client = Client(url, key)
    session = client.call("POST", "/v1/sessions", json=body)
    deadline = time.monotonic() + wait
    while _is_under_way(session) and time.monotonic() < deadline:
        time.sleep(LOOK_INTERVAL)
        session = client.call("GET", f"/v1/sessions/{path_of(session['id'])}")
    _show(session, as_json)


def _is_under_way(session: dict[str, Any]) -> bool:
    """True while the session is neither connected nor waiting for a person or for its next attempt."""
    if not session["enabled"]:
        return False
    return session["status"] in UNDER_WAY or session["reason"] == "CREATED"


@app.command("set")
def set_(
    id: Id,
    token: Annotated[str | None, typer.Option(help="A new token; `-` reads it from standard input.")] = None,
    credential: Credential = None,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    settings: Settings = None,
    metadata: Metadata = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change a session. Options that are absent change nothing; new credentials or settings restart it."""
    body = given(
        name=name,
        credentials=_credentials(token, credential),
        settings=document_of(settings, "--settings") if settings is not None else None,
        metadata=document_of(metadata, "--metadata") if metadata is not None else None,
    )
    if not body:
        raise typer.BadParameter("say what to change: --name, --token, --credential, --settings or --metadata")
    _show(Client(url, key).call("PATCH", f"/v1/sessions/{path_of(id)}", json=body), as_json)


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
_verb("enable", "Mark a session as wanted; this survives restarts.")
_verb("disable", "Mark a session as not wanted; this survives restarts.")
app.command("qr")(pairing.qr)
app.command("pair")(pairing.pair)
app.command("pairing-code")(pairing.pairing_code)
app.command("pair-link")(pairing.pair_link)
app.command("leave-server")(platform_methods.leave_server)


@app.command()
def delete(
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Delete a session for good."""
    confirm(f"Delete the session {id!r} with its credentials?", yes)
    report = Client(url, key).call("DELETE", f"/v1/sessions/{path_of(id)}")
    if as_json:
        print_json(report)
    else:
        print_line(f"{report['id']}: {report['detail']}")


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


@app.command("terminate-inactive")
def terminate_inactive(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Disable every session that is down and will not come back by itself."""
    confirm("Disable every session that is down for good?", yes)
    names = Client(url, key).call("POST", "/v1/sessions/terminate-inactive")["terminated"]
    if as_json:
        print_json(names)
    else:
        print_line(", ".join(names) if names else "There are none.")
