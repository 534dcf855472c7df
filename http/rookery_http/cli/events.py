"""`rookery events` and `rookery send`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from .client import AsJson, Client, ClientError, Key, Url, moment, print_json

Session = Annotated[str | None, typer.Option(help="Only of this session.")]


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl+C.")] = False,
    session: Session = None,
    type: Annotated[str | None, typer.Option(help="Only of these types, separated by commas.")] = None,
    after: Annotated[int | None, typer.Option(help="Begin behind this event; 0 is the whole log.")] = None,
    limit: Annotated[int, typer.Option(help="How many, without --follow.", min=1, max=500)] = 100,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Print events: the oldest first, or with --follow what comes."""
    query: dict[str, Any] = {"session": session, "type": type, "after": after}
    query = {name: value for name, value in query.items() if value is not None}
    client = Client(url, key)
    if not follow:
        for event in client.call("GET", "/v1/events", params=query | {"limit": limit})["events"]:
            _print(event, as_json)
        return
    for line in client.follow("/v1/events/stream", params=query):
        if line.startswith("data: "):
            _print(json.loads(line[6:]), as_json)


def _print(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        text = json.dumps(event, ensure_ascii=False)
    else:
        body = event["body"].get("text") or json.dumps(event["body"], ensure_ascii=False)
        chat = event["chat"] or "-"
        body = body.replace("\n", " ")
        text = f"{event['id']:>8}  {moment(event['time'])}  {event['session']}  {event['type']}  {chat}  {body}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def send(
    session: Annotated[str, typer.Argument(help="The session that sends.", show_default=False)],
    to: Annotated[str, typer.Argument(help="The chat.", show_default=False)],
    text: Annotated[str, typer.Argument(help="What to say.", show_default=False)],
    idempotency_key: Annotated[str | None, typer.Option(help="Repeating it does not send again.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the outcome.", min=0, max=60)] = 10,
    as_json: AsJson = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Send a text and say what became of it."""
    from urllib.parse import quote

    message = Client(url, key).call(
        "POST",
        f"/v1/sessions/{quote(session, safe='')}/messages",
        params={"wait": wait},
        json={"to": to, "text": text},
        headers={"Idempotency-Key": idempotency_key} if idempotency_key else None,
    )
    if as_json:
        print_json(message)
    else:
        number = f" as {message['receipt']['message_id']}" if message["receipt"] else ""
        sys.stdout.write(f"{message['id']}: {message['state']}{number}\n")
    if message["state"] in ("failed", "expired", "unknown", "cancelled"):
        raise ClientError(message["error"] or message["state"])
