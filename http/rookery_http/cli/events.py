"""`rookery events` and `rookery event-types`"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from .client import AsJson, Client, Key, NoServer, Url, given
from .output import Column, moment, print_json, print_table, printable

PATIENCE = 60.0
"""Seconds for a server to come back."""
RETRY = 1.0
"""Seconds between two checks whether it is back."""


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl+C.")] = False,
    session: Annotated[str | None, typer.Option(help="Only of this session.")] = None,
    chat: Annotated[str | None, typer.Option(help="Only of this chat, in any form of its name.")] = None,
    type: Annotated[str | None, typer.Option(help="Only of these types, separated by commas.")] = None,
    after: Annotated[int | None, typer.Option(help="Begin behind this event; 0 is the whole log.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Without --follow: begin at this time, such as 2026-01-31T12:00:00Z.")
    ] = None,
    last: Annotated[int | None, typer.Option(help="With --follow: begin so many events before the newest.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many; 100 without --follow.", min=1)] = None,
    timeout: Annotated[float | None, typer.Option(help="With --follow: end after so many seconds.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one event a line.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print events, the oldest first; with --follow, new events as they come."""
    client = Client(url, key)
    if not follow:
        wanted = 100 if limit is None else limit
        query = given(session=session, chat=chat, type=type, since=since, limit=min(wanted, 500))
        pages = client.pages("/v1/events", "events", query, first=after)
        for event, _ in zip(pages, range(wanted), strict=False):
            _print(event, as_json)
        return
    query = given(session=session, chat=chat, type=type, after=after, last=last, limit=limit, timeout=timeout)
    for event in _followed(client, query):
        _print(event, as_json)


def _followed(client: Client, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Events as they come. Waits for a server that restarts, then continues after the last event.

    Raises NoServer when no server answers at first, or none answers again within `PATIENCE`.
    """
    endless = not {"limit", "timeout"} & query.keys()
    headers: dict[str, str] = {}
    lost = None  # when the connection was lost
    connected = False
    while True:
        try:
            for line in client.follow("/v1/events/stream", params=query, headers=headers):
                connected, lost = True, None
                if line.startswith("data: "):
                    event = json.loads(line[6:])
                    headers = {"Last-Event-ID": str(event["id"])}
                    yield event
        except NoServer:
            if not (connected and endless) or (lost is not None and time.monotonic() - lost > PATIENCE):
                raise
        if not endless:
            return
        if lost is None:
            lost = time.monotonic()
            sys.stderr.write("rookery: the stream has ended; it goes on when the server is back\n")
        time.sleep(RETRY)


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        text = json.dumps(event, ensure_ascii=False)
    else:
        body = event["body"].get("text") or json.dumps(event["body"], ensure_ascii=False)
        chat = event["chat"] or "-"
        text = f"{event['id']:>8}  {moment(event['time'])}  {event['session']}  {event['type']}  {chat}  {body}"
        text = printable(text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


TYPES: list[Column] = [
    ("type", lambda row: row["type"]),
    ("platform", lambda row: row["platform"] or "every one"),
    ("", lambda row: "quiet" if row["quiet"] else ""),
    ("meaning", lambda row: row["summary"]),
]


def event_types(as_json: AsJson = False, url: Url = None, key: Key = None) -> None:
    """List the types of events with the platform that produces each; quiet types reach only those who name them."""
    rows = Client(url, key).call("GET", "/v1/event-types")["event_types"]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, TYPES, empty="")
