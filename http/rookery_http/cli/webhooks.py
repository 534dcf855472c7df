"""`rookery webhooks ...`"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .client import AsJson, Client, Column, Key, Url, moment, print_json, print_table
from .sessions import path_of

app = typer.Typer(help="Endpoints that events are posted to.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The webhook's id.", show_default=False)]

COLUMNS: list[Column] = [
    ("id", lambda row: row["id"]),
    ("url", lambda row: row["url"]),
    ("session", lambda row: row["session"] or "all"),
    ("events", lambda row: ", ".join(row["events"]) if row["events"] else "all"),
    ("enabled", lambda row: "yes" if row["enabled"] else "no"),
]
GOING: list[Column] = [
    ("waiting", lambda row: row["pending"]),
    ("lag", lambda row: f"{row['lag']:.1f} s" if row["pending"] else ""),
    ("per second", lambda row: f"{row['deliveries_per_second']:g}"),
    ("delivered", lambda row: row["delivered"]),
    ("failed", lambda row: row["failed"]),
    ("dead", lambda row: row["dead"]),
    ("last", lambda row: row["last_status"] if row["last_status"] or not row["last_error"] else "no answer"),
    ("last error", lambda row: row["last_error"]),
]
"""How deliveries go."""


@app.command("list")
def list_webhooks(
    session: Annotated[str | None, typer.Option(help="Only those of this session.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List webhooks, and how deliveries to them go."""
    query = {"session": session} if session else {}
    rows = Client(url, key).call("GET", "/v1/webhooks", params=query)["webhooks"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, [*COLUMNS, *GOING], empty="There are no webhooks; add one with `rookery webhooks add URL`.")


@app.command()
def add(
    endpoint: Annotated[str, typer.Argument(help="Where to post events.", show_default=False)],
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    events: Annotated[str | None, typer.Option(help="Only these types, separated by commas.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a webhook; its secret is shown now and never again."""
    body: dict[str, Any] = {"url": endpoint}
    if session:
        body["session"] = session
    if events:
        body["events"] = events.split(",")
    webhook = Client(url, key).call("POST", "/v1/webhooks", json=body)
    if as_json:
        print_json(webhook)
    else:
        print_table([webhook], [*COLUMNS, ("secret", lambda row: row.get("secret"))], empty="")


def _switch(verb: str, enabled: bool, help: str) -> None:
    @app.command(verb, help=help)
    def command(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
        webhook = Client(url, key).call("PATCH", f"/v1/webhooks/{path_of(id)}", json={"enabled": enabled})
        if as_json:
            print_json(webhook)
        else:
            print_table([webhook], COLUMNS, empty="")


_switch("enable", True, "Deliver again.")
_switch("disable", False, "Deliver no more.")


@app.command()
def delete(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Delete a webhook with everything on its way to it."""
    answer = Client(url, key).call("DELETE", f"/v1/webhooks/{path_of(id)}")
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"{answer['id']}: deleted\n")


@app.command("dead-letters")
def dead_letters(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List deliveries that were given up."""
    rows = list(Client(url, key).pages(f"/v1/webhooks/{path_of(id)}/dead-letters", "dead_letters", {"limit": 500}))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("event", lambda row: row["event"]["id"]),
        ("session", lambda row: row["event"]["session"]),
        ("type", lambda row: row["event"]["type"]),
        ("attempts", lambda row: row["attempts"]),
        ("given up", lambda row: moment(row["at"])),
        ("error", lambda row: row["error"]),
    ]
    print_table(rows, columns, empty="There are none.")


@app.command()
def replay(
    id: Id,
    event: Annotated[list[int] | None, typer.Option(help="Only this event; may be repeated.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Deliver dead letters again: all, or some."""
    body = {"event_ids": event} if event else None
    answer = Client(url, key).call("POST", f"/v1/webhooks/{path_of(id)}/replay", json=body)
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"{answer['replayed']} on their way again\n")
