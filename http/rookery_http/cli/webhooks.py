"""`rookery webhooks ...`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Key, Url, given, path_of
from .output import Column, moment, print_fields, print_json, print_line, print_table

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
    ("p50 / p99", lambda row: _latency(row)),
    ("delivered", lambda row: row["delivered"]),
    ("failed", lambda row: row["failed"]),
    ("dead", lambda row: row["dead"]),
    ("last", lambda row: row["last_status"] if row["last_status"] or not row["last_error"] else "no answer"),
    ("last error", lambda row: row["last_error"]),
]
"""How deliveries are going."""


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
def show(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show everything about a webhook."""
    webhook = Client(url, key).call("GET", f"/v1/webhooks/{path_of(id)}")
    print_json(webhook) if as_json else print_fields(webhook)


Events = Annotated[str | None, typer.Option(help="Only these types, separated by commas.")]
Chat = Annotated[list[str] | None, typer.Option(help="Only events of this chat; may be repeated.")]
NewSession = Annotated[str | None, typer.Option("--session", help="Only events of this session.")]
AllSessions = Annotated[bool, typer.Option("--all-sessions", help="Events of all sessions again.")]
Header = Annotated[list[str] | None, typer.Option(help="Sent with each delivery, as 'Name: value'; may be repeated.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds for an answer.")]
Since = Annotated[str | None, typer.Option(help="Only those given up at or after this: 2026-01-31T12:00:00Z.")]
Until = Annotated[str | None, typer.Option(help="Only those given up before this.")]
Secret = Annotated[str | None, typer.Option(help="Signs the deliveries: whsec_ and base64; made up when absent.")]


def _headers(given: list[str] | None) -> dict[str, str] | None:
    headers = {}
    for line in given or ():
        name, colon, value = line.partition(":")
        if not colon:
            raise typer.BadParameter("--header takes 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers or None


def _print(webhook: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(webhook)
    else:
        secret: list[Column] = [("secret", lambda row: row["secret"])] if "secret" in webhook else []
        print_table([webhook], [*COLUMNS, *secret], empty="")


@app.command()
def add(
    endpoint: Annotated[str, typer.Argument(help="Where to post events.", show_default=False)],
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    events: Events = None,
    chat: Chat = None,
    header: Header = None,
    timeout: Timeout = None,
    secret: Secret = None,
    id: Annotated[str | None, typer.Option(help="Its id; made up when absent.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Deliver nothing yet.")] = False,
    replies: Annotated[bool, typer.Option("--replies", help="Send the messages that it answers with.")] = False,
    format: Annotated[str | None, typer.Option(help="Of the payload: rookery, cloudevents, waha or evolution.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a webhook; a generated secret is shown now and never again."""
    body = given(
        url=endpoint,
        id=id,
        session=session,
        events=events.split(",") if events else None,
        chats=chat or None,
        headers=_headers(header),
        timeout=timeout,
        secret=secret,
        enabled=False if disabled else None,
        replies=replies or None,
        format=format,
    )
    _print(Client(url, key).call("POST", "/v1/webhooks", json=body), as_json)


@app.command("set")
def set_(
    id: Id,
    endpoint: Annotated[str | None, typer.Option(help="Where to post events.")] = None,
    session: NewSession = None,
    events: Events = None,
    chat: Chat = None,
    all: Annotated[bool, typer.Option("--all", help="Events of all types and chats again.")] = False,
    all_sessions: AllSessions = False,
    header: Header = None,
    timeout: Timeout = None,
    replies: Annotated[
        bool | None, typer.Option("--replies/--no-replies", help="Send the messages that it answers with.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="Of the payload: rookery, cloudevents, waha or evolution.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change a webhook; options that are absent change nothing."""
    body = given(
        url=endpoint,
        session=session,
        events=events.split(",") if events else None,
        chats=chat or None,
        headers=_headers(header),
        timeout=timeout,
        replies=replies,
        format=format,
    )
    if all:
        body = {"events": None, "chats": None} | body
    if all_sessions:
        body = {"session": None} | body
    if not body:
        raise typer.BadParameter(
            "say what to change: --endpoint, --session, --all-sessions, --events, --chat, --all, --header, --timeout, "
            "--replies or --format"
        )
    _print(Client(url, key).call("PATCH", f"/v1/webhooks/{path_of(id)}", json=body), as_json)


@app.command("test")
def try_out(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Post one event of the type `test`. Fails when the endpoint does not accept it."""
    result = Client(url, key).call("POST", f"/v1/webhooks/{path_of(id)}/test")
    if as_json:
        print_json(result)
    elif result["delivered"]:
        print_line(f"{id}: answered {result['status']} after {result['seconds']:g} s: {result['answer'][:200]}")
    if not result["delivered"]:
        raise ClientError(f"{id}: {result['error']}")


@app.command("rotate-secret")
def rotate_secret(
    id: Id,
    secret: Secret = None,
    grace: Annotated[float | None, typer.Option(help="Seconds for which the one before signs too.", min=0)] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Sign with a new secret; a generated one is shown now and never again."""
    body = given(secret=secret, grace=grace)
    _print(Client(url, key).call("POST", f"/v1/webhooks/{path_of(id)}/rotate-secret", json=body), as_json)


def _switch(verb: str, enabled: bool, help: str) -> None:
    @app.command(verb, help=help)
    def command(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
        _print(Client(url, key).call("PATCH", f"/v1/webhooks/{path_of(id)}", json={"enabled": enabled}), as_json)


_switch("enable", True, "Deliver again.")
_switch("disable", False, "Deliver no more.")


@app.command()
def delete(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Delete a webhook with its pending deliveries."""
    answer = Client(url, key).call("DELETE", f"/v1/webhooks/{path_of(id)}")
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['id']}: deleted")


@app.command()
def attempts(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the last 50 attempts to deliver, newest first."""
    print_attempts(Client(url, key), f"/v1/webhooks/{path_of(id)}", as_json)


def print_attempts(client: Client, path: str, as_json: bool) -> None:
    """Print the last attempts of the webhook or sink with this path."""
    rows = client.call("GET", f"{path}/attempts")["attempts"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("at", lambda row: moment(row["at"])),
        ("event", lambda row: row["event"]),
        ("session", lambda row: row["session"]),
        ("type", lambda row: row["type"]),
        ("attempt", lambda row: row["attempt"]),
        ("delivered", lambda row: "yes" if row["delivered"] else "no"),
        ("status", lambda row: row["status"] or ""),
        ("seconds", lambda row: f"{row['seconds']:.3f}"),
        ("error", lambda row: row["error"]),
        ("answer", lambda row: row["answer"][:60]),
    ]
    print_table(rows, columns, empty="There are none.")


def _latency(row: dict[str, Any]) -> str:
    """Both latencies in milliseconds."""
    if row["latency_p50"] is None:
        return ""
    return f"{1000 * row['latency_p50']:.0f} / {1000 * row['latency_p99']:.0f} ms"


@app.command("dead-letters")
def dead_letters(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List deliveries that were given up."""
    print_dead_letters(Client(url, key), f"/v1/webhooks/{path_of(id)}", as_json)


def print_dead_letters(client: Client, path: str, as_json: bool) -> None:
    """Print the dead letters of the webhook or sink with this path."""
    rows = list(client.pages(f"{path}/dead-letters", "dead_letters", {"limit": 500}))
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
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Deliver dead letters again: all, or some."""
    body = given(event_ids=event or None, session=session, since=since, until=until)
    answer = Client(url, key).call("POST", f"/v1/webhooks/{path_of(id)}/replay", json=body)
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['replayed']} on their way again")
