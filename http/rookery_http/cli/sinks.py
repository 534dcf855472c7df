"""`rookery sinks ...`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Key, Url, given, path_of
from .output import Column, print_fields, print_json, print_line, print_table
from .webhooks import COLUMNS, GOING, AllSessions, NewSession, Since, Until, print_attempts, print_dead_letters

app = typer.Typer(help="Message brokers that get the events of the log.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The sink's id.", show_default=False)]
Target = Annotated[
    str | None,
    typer.Option(help="Subject, routing key or stream; {session}, {type}, {platform}, {chat} stand for the event's."),
]
Events = Annotated[str | None, typer.Option(help="Only these types, separated by commas.")]
Chat = Annotated[list[str] | None, typer.Option(help="Only events of this chat; may be repeated.")]
Commands = Annotated[str | None, typer.Option(help="Subject, queue or stream from which sends are read.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds for the broker to confirm an event.")]
_COLUMNS: list[Column] = [*COLUMNS[:2], ("target", lambda row: row["target"]), *COLUMNS[2:]]
_GOING: list[Column] = [column for column in GOING if column[0] != "last"]


@app.command("list")
def list_sinks(
    session: Annotated[str | None, typer.Option(help="Only those of this session.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """List sinks, and how deliveries to them go."""
    rows = Client(url, key).call("GET", "/v1/sinks", params=given(session=session))["sinks"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, [*_COLUMNS, *_GOING], empty="There are no sinks; add one with `rookery sinks add URL`.")


@app.command()
def show(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Show everything about a sink."""
    sink = Client(url, key).call("GET", f"/v1/sinks/{path_of(id)}")
    print_json(sink) if as_json else print_fields(sink)


def _print(sink: dict[str, Any], as_json: bool) -> None:
    print_json(sink) if as_json else print_table([sink], _COLUMNS, empty="")


@app.command()
def add(
    broker: Annotated[
        str, typer.Argument(help="Its address, such as nats://127.0.0.1:4222.", envvar="ROOKERY_SINK_URL")
    ],
    target: Target = None,
    session: Annotated[str | None, typer.Option(help="Only events of this session.")] = None,
    events: Events = None,
    chat: Chat = None,
    timeout: Timeout = None,
    commands: Commands = None,
    id: Annotated[str | None, typer.Option(help="Its id; made up when absent.")] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Deliver nothing yet.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a sink."""
    body = given(
        url=broker,
        target=target,
        id=id,
        session=session,
        events=events.split(",") if events else None,
        chats=chat or None,
        timeout=timeout,
        commands=commands,
        enabled=False if disabled else None,
    )
    _print(Client(url, key).call("POST", "/v1/sinks", json=body), as_json)


@app.command("set")
def set_(
    id: Id,
    broker: Annotated[str | None, typer.Option(help="Another address.")] = None,
    target: Target = None,
    session: NewSession = None,
    events: Events = None,
    chat: Chat = None,
    all: Annotated[bool, typer.Option("--all", help="Events of all types and chats again.")] = False,
    all_sessions: AllSessions = False,
    timeout: Timeout = None,
    commands: Commands = None,
    no_commands: Annotated[bool, typer.Option("--no-commands", help="Read no more sends.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Change a sink; options that are absent change nothing."""
    body = given(
        url=broker,
        target=target,
        session=session,
        events=events.split(",") if events else None,
        chats=chat or None,
        timeout=timeout,
        commands=commands,
    )
    if no_commands:
        body = {"commands": None} | body
    if all:
        body = {"events": None, "chats": None} | body
    if all_sessions:
        body = {"session": None} | body
    if not body:
        raise typer.BadParameter(
            "say what to change: --broker, --target, --session, --all-sessions, --events, --chat, --all, --timeout, "
            "--commands or --no-commands"
        )
    _print(Client(url, key).call("PATCH", f"/v1/sinks/{path_of(id)}", json=body), as_json)


def _switch(verb: str, enabled: bool, help: str) -> None:
    @app.command(verb, help=help)
    def command(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
        _print(Client(url, key).call("PATCH", f"/v1/sinks/{path_of(id)}", json={"enabled": enabled}), as_json)


_switch("enable", True, "Deliver again.")
_switch("disable", False, "Deliver no more.")


@app.command("test")
def try_out(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Publish one event of type `test`. Fails when the broker does not confirm it."""
    result = Client(url, key).call("POST", f"/v1/sinks/{path_of(id)}/test")
    if as_json:
        print_json(result)
    elif result["delivered"]:
        print_line(f"{id}: the broker confirmed it after {result['seconds']:g} s")
    if not result["delivered"]:
        raise ClientError(f"{id}: {result['error']}")


@app.command()
def delete(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """Delete a sink with its pending deliveries."""
    answer = Client(url, key).call("DELETE", f"/v1/sinks/{path_of(id)}")
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['id']}: deleted")


@app.command()
def attempts(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the last 50 attempts to publish, newest first."""
    print_attempts(Client(url, key), f"/v1/sinks/{path_of(id)}", as_json)


@app.command("dead-letters")
def dead_letters(id: Id, as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List events that were given up."""
    print_dead_letters(Client(url, key), f"/v1/sinks/{path_of(id)}", as_json)


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
    """Publish dead letters again: all, or some."""
    body = given(event_ids=event or None, session=session, since=since, until=until)
    answer = Client(url, key).call("POST", f"/v1/sinks/{path_of(id)}/replay", json=body)
    if as_json:
        print_json(answer)
    else:
        print_line(f"{answer['replayed']} on their way again")
